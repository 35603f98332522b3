package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestMakeMountPoints(t *testing.T) {
	dir := t.TempDir()
	rootfs, file := filepath.Join(dir, "rootfs"), filepath.Join(dir, "file")
	if err := os.MkdirAll(filepath.Join(rootfs, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Links as images have them, and as an attacker would.
	for name, target := range map[string]string{"var": "/run", "out": "../..", "evil": dir} {
		if err := os.Symlink(target, filepath.Join(rootfs, name)); err != nil {
			t.Fatal(err)
		}
	}
	bind := func(source, destination string) specs.Mount {
		return specs.Mount{Type: "bind", Source: source, Destination: destination, Options: []string{"rbind"}}
	}
	mounts := []specs.Mount{
		{Type: "tmpfs", Source: "tmpfs", Destination: "/dev"},
		{Type: "tmpfs", Source: "shm", Destination: "/dev/shm"},
		bind(dir, "/new/folder"), bind(file, "/etc/one"), bind(file, "/var/two"), bind(dir, "/out/three"),
	}
	for range 2 { // what is there already stays
		if err := makeMountPoints(rootfs, mounts); err != nil {
			t.Fatal(err)
		}
	}
	for name, isDir := range map[string]bool{"dev": true, "new/folder": true, "etc/one": false, "run/two": false, "three": true} {
		if info, err := os.Lstat(filepath.Join(rootfs, name)); err != nil || info.IsDir() != isDir {
			t.Errorf("%s: %v %v, want a folder: %v", name, info, err, isDir)
		}
	}
	if _, err := os.Lstat(filepath.Join(rootfs, "dev/shm")); err == nil {
		t.Error("a mount point was made below another mount")
	}
	// runc refuses a link to nowhere, too.
	if err := makeMountPoints(rootfs, []specs.Mount{bind(file, "/evil/four")}); err == nil {
		t.Error("a mount point below a link to nowhere")
	}
	for _, name := range []string{"three", "four"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was made outside of the root file system", name)
		}
	}
}
