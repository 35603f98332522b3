package share

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// volumeAt opens a volume, which is closed when the test ends.
func volumeAt(t *testing.T, path string) *Source {
	s := opened(t, path)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestBelow(t *testing.T) {
	f, source := folder(t), tree(t)
	deep := filepath.Join(source, "sub", "deep")
	single := filepath.Join(source, "single")
	odd := filepath.Join(source, "sub odd")
	write(t, single, "")
	for _, dir := range []string{deep, odd} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(source, "a"), "a")
	a := filepath.Join(source, "a")
	for _, m := range []struct{ from, at, kind string }{{"test", deep, "tmpfs"}, {"test", odd, "tmpfs"}, {a, single, ""}, {"/dev/null", a, ""}} {
		flags := uintptr(unix.MS_BIND)
		if m.kind != "" {
			flags = 0
		}
		if err := unix.Mount(m.from, m.at, m.kind, flags, ""); err != nil {
			t.Fatal(err)
		}
		defer unix.Unmount(m.at, unix.MNT_DETACH)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(source, link); err != nil {
		t.Fatal(err)
	}
	all, err := f.Below(volumeAt(t, link))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i, b := range all {
		paths = append(paths, b.Path)
		if b.Path == "a" {
			if !errors.Is(b.Skipped, ErrUnsupportedFile) || b.Source != nil {
				t.Errorf("a device: %+v", b)
			}
			continue
		}
		var want, got unix.Stat_t
		guest := volume(t, f, i, b.Source, MountOptions{})
		if err := errors.Join(b.Skipped, unix.Stat(filepath.Join(source, b.Path), &want), unix.Stat(host(f, guest), &got)); err != nil || want.Ino != got.Ino || want.Dev != got.Dev {
			t.Errorf("%+v is not what it should be: %v", b, err)
		}
	}
	if want := []string{"a", "single", "sub", "sub odd", "sub/deep"}; len(paths) != len(want) {
		t.Errorf("found %q, want %q", paths, want)
	}
	write(t, filepath.Join(f.Dir(), "@2/sub/new"), "writable")
}

// The host goes on as if nobody had shared the volume.
func TestBelowPinsNothing(t *testing.T) {
	f := folder(t)
	source := t.TempDir()
	sub := filepath.Join(source, "sub")
	if err := errors.Join(os.Mkdir(sub, 0o755), unix.Mount("test", sub, "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	_, err := f.AddMount("@c1", 0, source, MountOptions{ReadOnly: true})
	all, err2 := f.Below(volumeAt(t, source))
	if err := errors.Join(err, err2); err != nil || len(all) != 1 {
		t.Fatalf("found %+v, %v", all, err)
	}
	guest := volume(t, f, 0, all[0].Source, MountOptions{ReadOnly: true})
	if err := errors.Join(unix.Unmount(sub, 0), os.Remove(sub)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(host(f, guest), "new"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("it is not read-only: %v", err)
	}
}

// A volume that holds the share: nothing is mounted in itself.
func TestBelowOfTheRoot(t *testing.T) {
	f := folder(t)
	if _, err := f.AddMount("@c1", 0, "/", MountOptions{}); err != nil {
		t.Fatal(err)
	}
	all, err := f.Below(volumeAt(t, "/"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, b := range all {
		if b.Source != nil {
			b.Source.Close()
		}
		found = found || b.Path == "proc"
		if within("/"+b.Path, f.dir) {
			t.Errorf("the share is in itself: %+v", b)
		}
	}
	if !found {
		t.Error("there is no /proc")
	}
}

// A guest that has the volume renames folders and makes links in it, after the
// mounts were listed and before they are opened.
func TestBelowOfAVolumeThatChanges(t *testing.T) {
	f := folder(t)
	exchange := func(a, b string) error {
		return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	}
	for name, c := range map[string]struct {
		at     string // where it is mounted, in the volume
		change func(volume, victim string) error
		cause  error
	}{
		"a link above it": {"a/sub", func(volume, victim string) error {
			return errors.Join(os.Rename(volume+"/a", volume+"/was"), os.Symlink(filepath.Dir(victim), volume+"/a"))
		}, unix.ELOOP},
		"a link to the volume above it": {"a/sub", func(volume, _ string) error {
			return errors.Join(os.Rename(volume+"/a", volume+"/was"), os.Symlink("was", volume+"/a"))
		}, unix.ELOOP},
		"another folder above it": {"a/sub", func(volume, _ string) error {
			return errors.Join(os.MkdirAll(volume+"/b/sub", 0o755), exchange(volume+"/a", volume+"/b"))
		}, errMoved},
		"a folder of the mount itself": {"a/b/a/b", func(volume, _ string) error {
			return errors.Join(os.Mkdir(volume+"/a/b/a/b/a", 0o755), os.Mkdir(volume+"/a/b/a/b/a/b", 0o755), os.Rename(volume+"/a/b", volume+"/b"),
				os.Rename(volume+"/a", volume+"/c"), os.Rename(volume+"/b/a", volume+"/a"))
		}, errMoved},
	} {
		t.Run(name, func(t *testing.T) {
			source, victim := t.TempDir(), filepath.Join(t.TempDir(), "sub")
			at := filepath.Join(source, c.at)
			err := errors.Join(os.Mkdir(victim, 0o755), os.MkdirAll(at, 0o755), unix.Mount("test", at, "tmpfs", 0, ""))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				mounts, err := mountsBelow(source)
				for _, m := range mounts {
					err = errors.Join(err, unix.Unmount(m, unix.MNT_DETACH))
				}
				if err != nil {
					t.Error(err)
				}
			}()
			s := volumeAt(t, source)
			points, err := f.pointsBelow(s)
			if err != nil || len(points) != 1 || points[0].rel != c.at {
				t.Fatalf("%+v, %v", points, err)
			}
			if err := c.change(source, victim); err != nil {
				t.Fatal(err)
			}
			got, err := s.open(points[0])
			if !errors.Is(err, c.cause) {
				t.Errorf("%v, want %v", err, c.cause)
			}
			if got != nil {
				t.Error("it was opened")
				got.Close()
			}
		})
	}
}

// Nor is it another volume that its path leads to by now.
func TestBelowOfAVolumeThatWasReplaced(t *testing.T) {
	f, mounted := folder(t), tree(t)
	path := filepath.Join(t.TempDir(), "volume")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	s := volumeAt(t, path)
	if err := errors.Join(os.Remove(path), os.Symlink(mounted, path)); err != nil {
		t.Fatal(err)
	}
	if all, err := f.Below(s); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
}
