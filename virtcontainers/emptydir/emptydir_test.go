package emptydir

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts a file system at a place below a pod's folder and answers it.
func mount(t *testing.T, pod, place, fstype, options string) string {
	t.Helper()
	path := filepath.Join(pod, place)
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("test", path, fstype, unix.MS_NODEV, options); err != nil {
		t.Skipf("cannot mount %s: %v", fstype, err)
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
	return path
}

func TestFind(t *testing.T) {
	pod := t.TempDir()
	path := mount(t, pod, "volumes/kubernetes.io~empty-dir/cache", "tmpfs", "size=1m,mode=2770,uid=5,gid=6")
	sub := filepath.Join(path, "a", "b")
	subPath := filepath.Join(pod, "volume-subpaths/cache/app/0")
	if err := errors.Join(os.MkdirAll(sub, 0o755), os.Chown(sub, 7, 8), os.Chmod(sub, 0o711), os.MkdirAll(subPath, 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(sub, subPath, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(subPath, unix.MNT_DETACH) })
	all := Volume{
		Path: path, Size: 1 << 20, Flags: []string{"nodev"},
		Root: Owner{0o2770, 5, 6}, Folder: Owner{0o2770, 5, 6},
	}
	part := all
	part.Sub, part.Folder = "a/b", Owner{0o711, 7, 8}
	for source, want := range map[string]Volume{path: all, subPath: part, sub: part} {
		if got, err := Find(source); err != nil || got == nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, %v; want %+v", source, got, err, want)
		}
	}
	if found, err := all.HasFiles(); err != nil || found {
		t.Errorf("folders alone: %v, %v", found, err)
	}
	file := filepath.Join(sub, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := all.HasFiles(); err != nil || !found {
		t.Errorf("with a file: %v, %v", found, err)
	}
	if got, err := Find(file); got != nil || err != nil {
		t.Errorf("a file: %+v, %v", got, err)
	}
}

func TestFindHugePages(t *testing.T) {
	path := mount(t, t.TempDir(), "volumes/kubernetes.io~empty-dir/huge", "hugetlbfs", "pagesize=2M,mode=1777")
	got, err := Find(path)
	if err != nil || got == nil || got.PageSize != 2<<20 || got.Size != 0 || got.Root.Mode != 0o1777 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFindNone(t *testing.T) {
	pod := t.TempDir()
	disk := filepath.Join(pod, "volumes/kubernetes.io~empty-dir/disk")
	if err := os.MkdirAll(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	secret := mount(t, pod, "volumes/kubernetes.io~secret/key", "tmpfs", "")
	for _, source := range []string{disk, secret, "/", "relative"} {
		if got, err := Find(source); got != nil || err != nil {
			t.Errorf("%s: %+v, %v", source, got, err)
		}
	}
	if _, err := Find(filepath.Join(disk, "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one that is gone: %v", err)
	}
}
