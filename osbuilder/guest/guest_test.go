package guest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/osbuilder/cpio"
	"github.com/kata-go/kata-runtime/osbuilder/kmod"
	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

func guestTree(t *testing.T) *tree.Tree {
	t.Helper()
	files, err := Tree([]byte("agent"), "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if err := AddList(files, ""); err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAgentIsInit(t *testing.T) {
	entries := guestTree(t).Sorted()
	find := func(path string) tree.Entry {
		i := slices.IndexFunc(entries, func(e tree.Entry) bool { return e.Path == path })
		if i < 0 {
			t.Fatalf("no %s", path)
		}
		return entries[i]
	}
	if e := find("init"); e.Perm != 0o755 || string(e.Data) != "agent" {
		t.Errorf("init: %o %q", e.Perm, e.Data)
	}
	if e := find("sbin/init"); e.Kind != tree.Link || string(e.Data) != "../init" {
		t.Errorf("sbin/init: %+v", e)
	}
	for _, dir := range []string{"dev", "proc", "sys", "run", "tmp"} {
		if find(dir).Kind != tree.Dir {
			t.Errorf("%s is not a folder", dir)
		}
	}
	find(ModuleList)
}

// Two builds at different times, in different folders, have the same bytes.
func TestReproducible(t *testing.T) {
	initrd := func() []byte {
		var out bytes.Buffer
		if err := cpio.Write(&out, guestTree(t).Sorted(), 7); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	if !bytes.Equal(initrd(), initrd()) {
		t.Error("two initrds differ")
	}
	if _, err := exec.LookPath("mkfs.erofs"); err != nil {
		t.Skip("mkfs.erofs is not installed")
	}
	image := func() []byte {
		data, err := ErofsImage(context.Background(), guestTree(t), 7)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	first := image()
	if !bytes.Equal(first, image()) {
		t.Error("two images differ")
	}
	// The magic number of erofs (erofs_fs.h), little endian, at 1024.
	if len(first) < 1028 || !bytes.Equal(first[1024:1028], []byte{0xe2, 0xe1, 0xf5, 0xe0}) {
		t.Error("no erofs")
	}
}

// A kernel may have any of the drivers built in, and no file for it.
func TestBuiltinDrivers(t *testing.T) {
	root := t.TempDir()
	var builtin, modinfo strings.Builder
	for _, name := range Wanted {
		fmt.Fprintf(&builtin, "kernel/%s.ko\n", name)
	}
	for _, d := range Drivers {
		for _, name := range append([]string{d.Module}, d.With...) {
			fmt.Fprintf(&builtin, "kernel/%s.ko\n", name)
			fmt.Fprintf(&modinfo, "%s.alias=virtio:d00000001v*\x00", name)
		}
	}
	for name, data := range map[string]string{"modules.builtin": builtin.String(), "modules.builtin.modinfo": modinfo.String()} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x, err := kmod.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if names, err := AddModules(new(tree.Tree), x, "6.12", []byte("modprobe")); err != nil || len(names) != 0 {
		t.Errorf("AddModules = %v, %v", names, err)
	}
}
