package storage

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestCheckPath(t *testing.T) {
	for path, ok := range map[string]bool{
		"/r/a": true, "/r/a/b.c": true,
		"": false, "a": false, "/r": false, "/r/": false, "/r/../x": false, "/r/a/..": false, "/rx/a": false, "/r/a\x00b": false, "/r//a": false,
	} {
		if err := CheckPath("/r", path); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// tmpfs makes a folder that mounts of a test can lie in; they go with it.
func tmpfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if err := unix.Mount("", dir, "", unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSymlinksAreNotFollowed(t *testing.T) {
	root, outside := tmpfs(t), t.TempDir()
	if err := os.Symlink(outside, root+"/link"); err != nil {
		t.Fatal(err)
	}
	table := NewTable(quiet, root)
	for _, path := range []string{root + "/link", root + "/link/a"} {
		err := table.Add(context.Background(), []*agentpb.Storage{{Driver: "ephemeral", MountPoint: path}})
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("made %v outside", entries)
	}
}

func TestUsersKeepAStorage(t *testing.T) {
	root := tmpfs(t)
	ctx := context.Background()
	table := NewTable(quiet, root)
	shared := &agentpb.Storage{Driver: "ephemeral", MountPoint: root + "/s", Options: []string{"size=64k", "nosuid,nodev", "mode=0750"}, FsGroup: 1234}
	for _, c := range []string{"one", "two"} {
		if err := table.AddFor(ctx, c, []*agentpb.Storage{shared, {Driver: "local", MountPoint: root + "/local-" + c, Options: []string{"mode=0700"}}}); err != nil {
			t.Fatal(err)
		}
	}
	mounted := func() bool {
		var st unix.Statfs_t
		return unix.Statfs(root+"/s", &st) == nil && st.Blocks*uint64(st.Bsize) == 64<<10
	}
	var st unix.Stat_t
	if err := unix.Stat(root+"/s", &st); err != nil || st.Gid != 1234 || !mounted() {
		t.Fatalf("gid %d, %v", st.Gid, err)
	}
	if _, err := table.Stat(root + "/s"); err != nil {
		t.Error(err)
	}
	if err := table.Resize(t.Context(), root+"/s", 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Resize = %v", err)
	}
	if err := table.Remove(root + "/s"); !errors.Is(err, ErrInUse) {
		t.Errorf("Remove = %v", err)
	}
	other := &agentpb.Storage{Driver: "virtiofs", Source: "x", MountPoint: root + "/s"}
	if err := table.AddFor(ctx, "three", []*agentpb.Storage{other}); !errors.Is(err, ErrExists) {
		t.Errorf("another storage in the same place: %v", err)
	}
	if err := table.Release("one"); err != nil || !mounted() {
		t.Errorf("after the first: %v, mounted %v", err, mounted())
	}
	if err := table.Release("two"); err != nil || mounted() {
		t.Errorf("after the last: %v, mounted %v", err, mounted())
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("left %v", entries)
	}
}

func TestASandboxStorageOutlivesItsUsers(t *testing.T) {
	root := tmpfs(t)
	table := NewTable(quiet, root)
	memory := &agentpb.Storage{Driver: "ephemeral", MountPoint: root + "/v", ForSandbox: true}
	for _, c := range []string{"one", "two"} {
		sub := &agentpb.Storage{Driver: "folder", Source: root + "/v/a/b", MountPoint: root + "/v." + c, Options: []string{"mode=2750", "uid=12", "gid=34"}}
		if err := table.AddFor(t.Context(), c, []*agentpb.Storage{memory, sub}); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(root+"/v."+c, &st); err != nil || st.Mode&0o7777 != 0o2750 || st.Uid != 12 || st.Gid != 34 {
			t.Fatalf("%s: %o %d:%d, %v", c, st.Mode, st.Uid, st.Gid, err)
		}
		if err := os.WriteFile(root+"/v."+c+"/"+c, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := table.Release(c); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(root + "/v." + c); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: its folder stays mounted: %v", c, err)
		}
	}
	for _, c := range []string{"one", "two"} {
		if _, err := os.Stat(root + "/v/a/b/" + c); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(os.RemoveAll(root+"/v/a"), os.Symlink(t.TempDir(), root+"/v/a")); err != nil {
		t.Fatal(err)
	}
	sub := &agentpb.Storage{Driver: "folder", Source: root + "/v/a/b", MountPoint: root + "/v.three"}
	if err := table.AddFor(t.Context(), "three", []*agentpb.Storage{memory, sub}); !errors.Is(err, ErrInvalid) {
		t.Errorf("through a link: %v", err)
	}
	if err := table.Clear(false); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("left %v", entries)
	}
}

func TestSubmount(t *testing.T) {
	root := tmpfs(t)
	point := root + "/shared/v"
	if err := errors.Join(os.MkdirAll(point, 0o755), unix.Mount("host", point, "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	table := NewTable(quiet, root)
	mounted := func() bool {
		var in, out unix.Stat_t
		return errors.Join(unix.Stat(point, &in), unix.Stat(root, &out)) == nil && in.Dev != out.Dev
	}
	for _, c := range []string{"one", "two"} {
		if err := table.AddFor(t.Context(), c, []*agentpb.Storage{{Driver: "submount", MountPoint: point}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Release("one"); err != nil || !mounted() {
		t.Errorf("after the first: %v, mounted %v", err, mounted())
	}
	if err := table.Release("two"); err != nil || mounted() {
		t.Errorf("after the last: %v, mounted %v", err, mounted())
	}
	err := table.AddFor(t.Context(), "three", []*agentpb.Storage{{Driver: "submount", MountPoint: root + "/shared/gone"}})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestAFailedAddLeavesNothing(t *testing.T) {
	root := tmpfs(t)
	table := NewTable(quiet, root)
	err := table.Add(context.Background(), []*agentpb.Storage{
		{Driver: "ephemeral", MountPoint: root + "/a"}, {Driver: "local", MountPoint: root + "/b"}, {Driver: "nosuch", MountPoint: root + "/c"}})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Add = %v", err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("left %v", entries)
	}
	if err := table.Remove(root + "/a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Remove = %v", err)
	}
}

func TestParseOptions(t *testing.T) {
	flag, data := parseOptions([]string{"ro", "nosuid,nodev", "rw", "size=1m", "defaults", "cache=mmap,msize=8192"})
	if flag != unix.MS_NOSUID|unix.MS_NODEV || data != "size=1m,cache=mmap,msize=8192" {
		t.Errorf("%x %q", flag, data)
	}
}

func TestRenumber(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	// Each device gets the number that was the other's on the host.
	spec := &specs.Spec{Linux: &specs.Linux{
		Devices: []specs.LinuxDevice{{Path: "/dev/a", Major: 8, Minor: 0}, {Path: "/dev/b", Major: 8, Minor: 16}},
		Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
			{Access: "rwm"}, {Major: n(8), Minor: n(0)}, {Major: n(8), Minor: n(16)}, {Major: n(1), Minor: n(3)}}},
	}}
	if err := renumber(spec, map[string]number{"/dev/a": {8, 16}, "/dev/b": {8, 0}}); err != nil {
		t.Fatal(err)
	}
	rules := spec.Linux.Resources.Devices
	if spec.Linux.Devices[0].Minor != 16 || spec.Linux.Devices[1].Minor != 0 || *rules[1].Minor != 16 || *rules[2].Minor != 0 || *rules[3].Minor != 3 {
		t.Errorf("%+v", spec.Linux)
	}
	if err := renumber(spec, map[string]number{"/dev/c": {1, 1}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("unknown device: %v", err)
	}
}

func TestDiskNames(t *testing.T) {
	for source, ok := range map[string]bool{"serial=disk0": true, "02/00": true, "02.1": true, "/dev/vda": true,
		"serial=": false, "": false, "../x": false, "/dev/../etc": false, "2": false} {
		if _, err := diskLook(source); (err == nil) != ok {
			t.Errorf("%q: %v", source, err)
		}
	}
	const sys = "/sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0/virtio3/block/vda"
	if got := slots(sys); got != "02.0/00.0" || got != normal("02/00") {
		t.Errorf("slots %q", got)
	}
}

func FuzzDiskLook(f *testing.F) {
	f.Add("02/00.1")
	f.Add("serial=x")
	f.Add("/dev/vda")
	f.Fuzz(func(_ *testing.T, source string) {
		if look, err := diskLook(source); err == nil && filepath.Base(source) != "." {
			look()
		}
	})
}

func FuzzCheckPath(f *testing.F) {
	f.Add("/r/a/../b")
	f.Fuzz(func(t *testing.T, path string) {
		if CheckPath("/r", path) == nil && filepath.Join("/", path) != path {
			t.Errorf("%q passed", path)
		}
	})
}
