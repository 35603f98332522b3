package kernel

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/kata-go/kata-runtime/osbuilder/debian"
	"github.com/kata-go/kata-runtime/osbuilder/source"
	"github.com/kata-go/kata-runtime/osbuilder/vmlinux"
)

// Files that Build leaves in its folder.
const (
	Vmlinux = "vmlinux"
	Config  = "config"
	Release = "release"
)

// patches are applied to the source in the order of their names. Each begins
// with why it is there.
//
//go:embed patches/*.patch
var embedded embed.FS

// Patches are what the source is patched with.
func Patches() fs.FS {
	sub, err := fs.Sub(embedded, "patches")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// Build compiles the kernel of a linux-source package, with our patches, into
// dir, which is empty. say gets a line of progress now and then. The output of
// make goes to log. What the bytes could depend on besides source, patches,
// configuration and compiler (time, user, host, path) is fixed.
func Build(ctx context.Context, deb, dir string, epoch int64, log io.Writer, say func(string, ...any)) error {
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	say("unpacking the kernel's source")
	if err := debian.Unpack(ctx, deb, work); err != nil {
		return err
	}
	tars, err := filepath.Glob(filepath.Join(work, "usr/src/linux-source-*.tar.xz"))
	if err != nil || len(tars) != 1 {
		return fmt.Errorf("%s: %d source archives instead of one", deb, len(tars))
	}
	src := filepath.Join(work, "linux")
	if err := os.Mkdir(src, 0o700); err != nil {
		return err
	}
	b := builder{ctx, source.Tree{Dir: src, Log: log, Env: []string{
		"KCONFIG_ALLCONFIG=kata.config", fmt.Sprintf("KBUILD_BUILD_TIMESTAMP=@%d", epoch),
		"KBUILD_BUILD_USER=kata", "KBUILD_BUILD_HOST=kata", "KBUILD_BUILD_VERSION=1",
	}}}
	if err := b.run(nil, "tar", "--strip-components=1", "-xf", tars[0]); err != nil {
		return err
	}
	if err := b.Patch(ctx, Patches()); err != nil {
		return err
	}
	if err := b.configure(); err != nil {
		return err
	}
	if err := b.compile(say); err != nil {
		return err
	}
	if err := b.collect(dir); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

type builder struct {
	ctx context.Context
	source.Tree
}

func (b builder) run(stdout io.Writer, name string, args ...string) error {
	return b.Run(b.ctx, stdout, name, args...)
}

// configure makes .config and refuses one that lost a symbol.
func (b builder) configure() error {
	if err := os.WriteFile(filepath.Join(b.Dir, "kata.config"), Fragment, 0o600); err != nil {
		return err
	}
	if err := b.run(nil, "make", "allnoconfig"); err != nil {
		return err
	}
	got, err := os.ReadFile(filepath.Join(b.Dir, ".config"))
	if err != nil {
		return err
	}
	if lost := Lost(Fragment, got); len(lost) > 0 {
		return fmt.Errorf("kernel configuration: %d symbols did not come out as asked: %s", len(lost), strings.Join(lost, ", "))
	}
	return nil
}

// steps is about how many lines make prints for 6.1 with our configuration.
const steps = 2600

func (b builder) compile(say func(string, ...any)) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, last := 0, time.Now()
		for lines := bufio.NewScanner(r); lines.Scan(); n++ {
			if time.Since(last) >= 20*time.Second {
				say("compiling the kernel: about %d %%", min(99, n*100/steps))
				last = time.Now()
			}
		}
		// A line too long for the scanner must not block make.
		_, _ = io.Copy(io.Discard, r)
	}()
	say("compiling the kernel: about ten minutes on two cores")
	err := b.run(w, "nice", "make", fmt.Sprintf("-j%d", runtime.NumCPU()), "vmlinux")
	w.Close()
	<-done
	return err
}

// collect strips the kernel and keeps what the assets need.
func (b builder) collect(dir string) error {
	var release bytes.Buffer
	if err := b.run(&release, "make", "-s", "kernelrelease"); err != nil {
		return err
	}
	if err := b.run(nil, "objcopy", "--strip-all", "--remove-section=.comment", "vmlinux", "vmlinux.stripped"); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(b.Dir, "vmlinux.stripped"))
	if err != nil {
		return err
	}
	elf, err := vmlinux.Trim(raw)
	if err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(b.Dir, ".config"))
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, Vmlinux), elf, 0o644),
		os.WriteFile(filepath.Join(dir, Config), config, 0o644),
		os.WriteFile(filepath.Join(dir, Release), bytes.TrimSpace(release.Bytes()), 0o644),
	)
}
