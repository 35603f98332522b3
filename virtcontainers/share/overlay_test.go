package share

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// layers makes the folders of an overlay, with a file "a" in the lower one, on a
// tmpfs: an overlay cannot write into another one, which the tests may lie on.
func layers(t *testing.T) (dir, data string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("test", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"lower", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "lower", "a"), "a")
	return dir, "lowerdir=" + dir + "/lower,upperdir=" + dir + "/upper,workdir=" + dir + "/work"
}

func TestOverlay(t *testing.T) {
	f := folder(t)
	dir, data := layers(t)
	guest, err := f.AddOverlay("@c1", 3, data, MountOptions{})
	if errors.Is(err, unix.ENODEV) {
		t.Skip("no overlayfs: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := GuestDir + "/@c1/mounts/3/overlay"; guest != want {
		t.Errorf("guest path %s, want %s", guest, want)
	}
	write(t, filepath.Join(host(f, guest), "a"), "changed")
	for name, want := range map[string]string{"lower/a": "a", "upper/a": "changed"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v, want %q", name, text, err, want)
		}
	}
	if mounts, err := mountsBelow(f.dir); err != nil || len(mounts) != 2 {
		t.Errorf("mounts %v, %v: the overlay was seen at the folder itself", mounts, err)
	}
	if err := f.RemovePlace("@c1"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(f.dir); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}

	guest, err = f.AddOverlay("@c1", 0, "lowerdir="+dir+"/lower:"+dir+"/upper", MountOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(host(f, guest), "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing into a read-only overlay: %v", err)
	}
}

func TestOverlayRefused(t *testing.T) {
	f := folder(t)
	dir, _ := layers(t)
	if _, err := f.AddOverlay("@c1", 0, "lowerdir="+dir+"/gone:"+dir+"/lower", MountOptions{}); err == nil || !strings.Contains(err.Error(), dir+"/gone") {
		t.Errorf("a lower folder that is not there: %v", err)
	}
	long := "lowerdir=" + dir + "/lower" + strings.Repeat(":"+dir+"/lower", os.Getpagesize())
	if _, err := f.AddOverlay("@c1", 0, long, MountOptions{}); err == nil || !strings.Contains(err.Error(), "fewer or shorter") {
		t.Errorf("options of more than a page: %v", err)
	}
	if entries, err := os.ReadDir(f.dir); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}
