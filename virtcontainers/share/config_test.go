package share

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		c    Config
		says string
	}{
		{Default(), ""},
		{Config{}, ""},
		{Config{SharedFS: "virtio-9p", Msize9p: 8192}, ""},
		{Config{SharedFS: "nfs"}, "shared_fs"},
		{Config{VirtioFSCache: "never"}, "virtio_fs_cache"},
		{Config{Msize9p: 100}, "msize_9p"},
		{Config{Msize9p: 1 << 30}, "msize_9p"},
		{Config{VirtioFSDaemon: "virtiofsd"}, "virtio_fs_daemon"},
	} {
		err := test.c.Validate()
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v", test.c, err)
		}
	}
}

func TestChoose(t *testing.T) {
	dir := t.TempDir()
	program, plain := filepath.Join(dir, "virtiofsd"), filepath.Join(dir, "plain")
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		fs, daemon, want string
		fails            bool
	}{
		{Auto, program, VirtioFS, false},
		{"", program, VirtioFS, false},
		{Auto, plain, Virtio9P, false},
		{Auto, dir, Virtio9P, false},
		{Virtio9P, program, Virtio9P, false},
		{VirtioFS, program, VirtioFS, false},
		{VirtioFS, filepath.Join(dir, "missing"), "", true},
	} {
		got, err := Config{SharedFS: test.fs, VirtioFSDaemon: test.daemon}.Choose()
		if got.FS != test.want || (err != nil) != test.fails || err == nil && got.Reason == "" {
			t.Errorf("%+v: %+v, %v", test, got, err)
		}
		if (got.Daemon != "") != (got.FS == VirtioFS) {
			t.Errorf("%+v: daemon %q", test, got.Daemon)
		}
	}
}

func TestDeviceAndStorage(t *testing.T) {
	f := &Folder{"/x/shared"}
	virtio, nine := Choice{FS: VirtioFS}, Choice{FS: Virtio9P}
	c := Config{VirtioFSCacheSize: 64}
	if got, want := c.Device(virtio, f), (Device{Tag: "kata", CacheMiB: 64}); !reflect.DeepEqual(got, want) {
		t.Errorf("virtiofs: %+v", got)
	}
	if got, want := c.Device(nine, f), (Device{Tag: "kata", Path: "/x/shared"}); !reflect.DeepEqual(got, want) {
		t.Errorf("9p: %+v", got)
	}
	s := c.Storage(virtio)
	if s.Fstype != "virtiofs" || s.Source != "kata" || s.MountPoint != "/run/kata-containers/shared" || !slices.Equal(s.Options, []string{"dax"}) {
		t.Errorf("virtiofs: %+v", s)
	}
	s = c.Storage(nine)
	if s.Driver != "9p" || !slices.Equal(s.Options, []string{"trans=virtio", "version=9p2000.L", "cache=mmap", "msize=1048576"}) {
		t.Errorf("9p: %+v", s)
	}
}
