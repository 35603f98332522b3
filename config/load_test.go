package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

func TestWhereTheFileIsLookedFor(t *testing.T) {
	dir := t.TempDir()
	etc, shipped := filepath.Join(dir, "etc/configuration.toml"), filepath.Join(dir, "share/configuration.toml")
	places, admin := []string{etc, shipped}, filepath.Join(dir, "etc/config.d")
	files := func(path string) []string {
		t.Helper()
		_, o, err := load(path, places, admin)
		if err != nil {
			t.Fatal(err)
		}
		return o.Files
	}
	expect := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("read %v, want %v", got, want)
		}
	}

	_, _, err := load("", places, admin)
	if !errors.Is(err, ErrNoFile) || !strings.Contains(err.Error(), etc) || !strings.Contains(err.Error(), shipped) {
		t.Errorf("without any: %v", err)
	}
	write(t, shipped, "")
	expect(files(""), shipped)
	// The administrator changes single keys of what a package ships.
	mine := write(t, filepath.Join(admin, "50-mine.toml"), "")
	theirs := write(t, filepath.Join(dir, "share/config.d/10-theirs.toml"), "")
	expect(files(""), shipped, theirs, mine)
	expect(files(shipped), shipped, theirs)
	// A whole file of the administrator's replaces the shipped one.
	write(t, etc, "")
	expect(files(""), etc, mine)

	if err := os.Remove(etc); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), etc); err != nil {
		t.Fatal(err)
	}
	if _, _, err := load("", places, admin); err == nil || !strings.Contains(err.Error(), etc) {
		t.Errorf("a link to nowhere: %v", err)
	}
}
