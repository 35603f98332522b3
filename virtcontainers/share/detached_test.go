package share

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// What QEMU does with the folder before it has a place sees what is mounted
// there afterwards, and nothing of it is left in the end.
func TestDetachedGetsAPlace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	detached, err := Detached()
	if err != nil {
		t.Fatal(err)
	}
	early, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", detached.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if err := early.Mkdir("x", 0o700); err == nil {
		t.Error("it can be written to")
	}
	f, err := Attach(detached, filepath.Join(t.TempDir(), "shared"))
	if err != nil {
		t.Fatal(err)
	}
	detached.Close()
	t.Cleanup(func() {
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
		gone(t, f)
	})
	source := tree(t)
	if _, err := f.AddRootfs("@c1", source, false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(f.dir, "@c1/rootfs/sub/b")); err != nil || string(text) != "b" {
		t.Errorf("here: %q, %v", text, err)
	}
	// It opens step by step from the folder's root, as QEMU does.
	file, err := early.Open("@c1/rootfs/a")
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := f.RemovePlace("@c1"); err != nil {
		t.Error(err)
	}
}

func TestAttachTakesNothingThatIsThere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	detached, err := Detached()
	if err != nil {
		t.Fatal(err)
	}
	defer detached.Close()
	dir := t.TempDir()
	if _, err := Attach(detached, dir); err == nil {
		t.Error("a folder that exists was taken")
	}
	if left, err := mountsBelow(dir); err != nil || len(left) > 0 {
		t.Errorf("mounts left: %v, %v", left, err)
	}
}
