package share

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

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
	all, err := f.Below(link)
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
	all, err2 := f.Below(source)
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
	all, err := f.Below("/")
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
