package floor

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// here answers a floor on this host, or the test is skipped: what was built
// below build/guest, with a kernel of the project.
func here(t *testing.T) *Floor {
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("QEMU is not installed")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := filepath.Join("..", "..", "..", "build", "guest", "debian")
	m := Machine{
		QEMU: qemu, Kernel: filepath.Join(dir, "vmlinux"), Initrd: filepath.Join(dir, "initrd.img"),
		Type: "q35", Accelerator: "tcg", MemoryMiB: 256, VCPUs: 1, TSCKHz: HostTSC(),
	}
	if _, err := os.Stat(m.Initrd); err != nil {
		t.Skip("no guest was built (make image)")
	}
	f, err := New(context.Background(), m, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRestoreAnswersOverAndOver(t *testing.T) {
	f := here(t)
	dir := t.TempDir()
	if err := unix.Mount("bench", dir, "tmpfs", 0, "mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	saved, err := f.Save(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	cold, err := f.Serial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := saved.Restore(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("restored after %s with %d MiB, cold %s", c.First, c.PSS>>20, cold.First)
		if c.First > cold.First {
			t.Errorf("restored after %s, booted after %s", c.First, cold.First)
		}
		if err := c.End(); err != nil {
			t.Error(err)
		}
	}
	added, err := saved.Added(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a second clone adds %d MiB", added>>20)
	if added < 1<<20 || added > cold.PSS {
		t.Errorf("a second clone adds %d bytes", added)
	}
}
