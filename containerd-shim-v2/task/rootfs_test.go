package task

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/api/types"
	"golang.org/x/sys/unix"
)

func TestRootfsIsMountedAndUnmounted(t *testing.T) {
	bundle, source := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(bundle, rootfsName), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := mountRootfs(bundle, []*types.Mount{{Type: "bind", Source: source, Options: []string{"rbind", "ro"}}})
	if os.Geteuid() != 0 && err != nil {
		t.Skip("not root:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(bundle, rootfsName, "file")
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err == nil {
		t.Error("a read-only root is writable")
	}
	for range 2 { // the second time there is nothing
		if err := UnmountRootfs(bundle); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("still mounted")
	}
}

func TestRootfsThatCannotBeMounted(t *testing.T) {
	bundle := t.TempDir()
	if err := os.Mkdir(filepath.Join(bundle, rootfsName), 0o700); err != nil {
		t.Fatal(err)
	}
	for want, m := range map[string]*types.Mount{
		"/no/where":        {Type: "bind", Source: "/no/where", Options: []string{"bind"}},
		"fewer or shorter": {Type: "overlay", Source: "overlay", Options: []string{"lowerdir=" + strings.Repeat("/a:", 2000)}},
		"only the root":    {Type: "bind", Source: "/", Target: "/etc", Options: []string{"bind"}},
	} {
		if err := mountRootfs(bundle, []*types.Mount{m}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mount = %v, want %q in it", err, want)
		}
	}
}

func TestSplitMountOptions(t *testing.T) {
	flags, data := split([]string{"ro", "index=off", "nosuid", "lowerdir=/a:/b"})
	if flags != unix.MS_RDONLY|unix.MS_NOSUID || data != "index=off,lowerdir=/a:/b" {
		t.Errorf("split = %x, %q", flags, data)
	}
}
