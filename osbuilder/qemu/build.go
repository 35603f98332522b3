// Package qemu builds a QEMU from Debian's source: with the devices that VMs here
// have and no others, and able to keep what it has translated without KVM.
package qemu

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/kata-go/kata-runtime/osbuilder/debian"
	"github.com/kata-go/kata-runtime/osbuilder/source"
)

// Binary is what Build leaves in its folder.
const Binary = "qemu-system-x86_64"

// Release is the Debian release whose QEMU the patches are for: 7.2.
const Release = "bookworm"

//go:embed patches/*.patch
var patches embed.FS

// files are put into the source as they are.
//
//go:embed files
var files embed.FS

// Patches are what the source is patched with.
func Patches() fs.FS { return below(patches, "patches") }

// Files are put into the source.
func Files() fs.FS { return below(files, "files") }

func below(tree embed.FS, name string) fs.FS {
	sub, err := fs.Sub(tree, name)
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// Build compiles the source into dir, which is empty. say gets what goes on, log
// what the programs print.
func Build(ctx context.Context, src debian.Source, dir string, log io.Writer, say func(string, ...any)) error {
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	tree, err := src.Unpack(ctx, work)
	if err != nil {
		return err
	}
	// Debian's meson goes with Debian's Python, and another may be before it.
	t := source.Tree{Dir: tree, Log: log, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}}
	if err := t.Patch(ctx, Patches()); err != nil {
		return err
	}
	if err := os.CopyFS(tree, Files()); err != nil {
		return err
	}
	out := filepath.Join(tree, "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		return err
	}
	t.Dir = out
	if err := t.Run(ctx, nil, "../configure", options()...); err != nil {
		return err
	}
	say("compiling QEMU: about three minutes on two cores")
	if err := t.Run(ctx, nil, "nice", "ninja", fmt.Sprintf("-j%d", runtime.NumCPU()), Binary); err != nil {
		return err
	}
	if err := t.Run(ctx, nil, "strip", "-o", filepath.Join(dir, Binary), Binary); err != nil {
		return err
	}
	if err := able(ctx, t, filepath.Join(dir, Binary)); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

// options are what VMs here use, and no more. The firmware is Debian's.
func options() []string {
	return []string{
		"--target-list=x86_64-softmmu", "--disable-werror",
		"--without-default-features", "--without-default-devices", "--with-devices-x86_64=kata",
		"--firmwarepath=/usr/share/qemu:/usr/share/seabios",
		"--enable-tcg", "--enable-kvm", "--enable-pie", "--enable-seccomp", "--enable-fdt=system",
		"--enable-virtfs", "--enable-attr", "--enable-cap-ng",
		"--enable-vhost-kernel", "--enable-vhost-net", "--enable-vhost-user",
	}
}

// able looks whether the binary runs and has the machines.
func able(ctx context.Context, t source.Tree, binary string) error {
	var out bytes.Buffer
	if err := t.Run(ctx, &out, binary, "-machine", "help"); err != nil {
		return err
	}
	for _, machine := range []string{"q35", "microvm"} {
		if !bytes.Contains(out.Bytes(), []byte("\n"+machine)) {
			return fmt.Errorf("%s has no machine %s", binary, machine)
		}
	}
	return nil
}
