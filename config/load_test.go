package config

import (
	"os"
	"path/filepath"
	"testing"
)

// write makes a file in a fresh or given folder and answers its path.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDropInsLieOverTheFile(t *testing.T) {
	dir := t.TempDir()
	main := write(t, filepath.Join(dir, "configuration.toml"), `
[hypervisor.qemu]
kernel = "/boot/k"
default_memory = 512
valid_kernel_paths = ["/a/*", "/b/*"]
[runtime]
enable_debug = true
`)
	ten := write(t, filepath.Join(dir, "config.d/10-memory.toml"), `
hypervisor.qemu.default_memory = 1024
hypervisor.qemu.valid_kernel_paths = ["/c/*"]
`)
	twenty := write(t, filepath.Join(dir, "config.d/20-image.toml"), "\n\n[hypervisor.qemu]\nimage = '/images/i'\n")
	write(t, filepath.Join(dir, "config.d/30-note.txt"), "not TOML at all")

	c, o, err := Load(main)
	if err != nil {
		t.Fatal(err)
	}
	q := c.Hypervisor.QEMU
	if q.Kernel != "/boot/k" || q.DefaultMemory != 1024 || len(q.ValidKernelPaths) != 1 || !c.Runtime.EnableDebug {
		t.Errorf("got %+v", c)
	}
	if q.Image != "/images/i" || q.Initrd != "" {
		t.Errorf("image %q, initrd %q: the default initrd has to give way", q.Image, q.Initrd)
	}
	for name, want := range map[string]Origin{
		"hypervisor.qemu.kernel":         {main, 3},
		"hypervisor.qemu.default_memory": {ten, 2},
		"hypervisor.qemu.image":          {twenty, 4},
		"hypervisor.qemu.default_vcpus":  {},
		"runtime.enable_debug":           {main, 7},
	} {
		if got := o.Of(name); got != want {
			t.Errorf("%s comes from %v, want %v", name, got, want)
		}
	}
}
