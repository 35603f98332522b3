package share

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// volume shares a source as the volume "@N", closes it and answers its path in the guest.
func volume(t *testing.T, f *Folder, n int, s *Source, o MountOptions) string {
	t.Helper()
	defer s.Close()
	guest, err := f.AddVolume(fmt.Sprint("@", n), s.Name(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return guest
}

func opened(t *testing.T, path string) *Source {
	t.Helper()
	s, err := OpenSource(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestVolume(t *testing.T) {
	f, source := folder(t), tree(t)
	write(t, filepath.Join(source, "a"), "text")
	for n, path := range []string{source, filepath.Join(source, "a")} {
		s := opened(t, path)
		for range 2 { // for each of two containers
			guest, err := f.AddVolume(fmt.Sprint("@", n), "name", s, MountOptions{ReadOnly: n == 0})
			if want := fmt.Sprintf("%s/@%d/name", GuestDir, n); err != nil || guest != want {
				t.Fatalf("%s, %v; want %s", guest, err, want)
			}
		}
	}
	if data, err := os.ReadFile(filepath.Join(f.Dir(), "@1/name")); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
	if err := os.WriteFile(filepath.Join(f.Dir(), "@0/name/new"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("it is not read-only: %v", err)
	}
	for range 2 {
		if err := errors.Join(f.RemovePlace("@0"), f.RemovePlace("@1")); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(f.Dir()); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestPlaces(t *testing.T) {
	f, source := folder(t), tree(t)
	for _, place := range []string{"", "@", "c1", "@a/b", "@..", "../@a", "@a\x00", "@a\n", "@" + strings.Repeat("a", 65)} {
		if _, err := f.AddVolume(place, "x", opened(t, source), MountOptions{}); err == nil {
			t.Errorf("added a volume at %q", place)
		}
		if _, err := f.AddRootfs(place, source, false); err == nil {
			t.Errorf("added a root file system at %q", place)
		}
		if err := f.RemovePlace(place); err == nil {
			t.Errorf("removed %q", place)
		}
	}
	one, two := NewPlace(), NewPlace()
	if one == two || checkPlace(one) != nil {
		t.Errorf("%q and %q", one, two)
	}
}

func TestKey(t *testing.T) {
	source := tree(t)
	sub, twin := filepath.Join(source, "x"), t.TempDir()
	if err := errors.Join(os.Mkdir(sub, 0o755), unix.Mount(sub, twin, "", unix.MS_BIND, "")); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(twin, unix.MNT_DETACH)
	key := func(path string, o MountOptions) string {
		key, err := opened(t, path).Key(o)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := key(sub, MountOptions{})
	if key(twin, MountOptions{}) != first {
		t.Error("a bind mount of the folder is another source")
	}
	if key(source, MountOptions{}) == first || key(sub, MountOptions{ReadOnly: true}) == first {
		t.Error("another folder, or the same one read-only, is the same source")
	}
	if err := unix.Mount("", twin, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NOSUID, ""); err != nil {
		t.Fatal(err)
	}
	if key(twin, MountOptions{}) == first {
		t.Error("a mount with other flags is the same source")
	}
}

func TestFlagsOfAVolume(t *testing.T) {
	dir := tree(t)
	if err := unix.Mount("test", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NOATIME, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if flags, err := volumeAt(t, dir).Flags(); err != nil || !slices.Equal(flags, []string{"nosuid", "noexec"}) {
		t.Errorf("%v, %v", flags, err)
	}
}
