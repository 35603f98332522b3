package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/kata-go/kata-runtime/osbuilder/cache"
	"github.com/kata-go/kata-runtime/osbuilder/cpio"
	"github.com/kata-go/kata-runtime/osbuilder/debian"
	"github.com/kata-go/kata-runtime/osbuilder/guest"
	"github.com/kata-go/kata-runtime/osbuilder/kmod"
	"github.com/kata-go/kata-runtime/osbuilder/manifest"
	"github.com/kata-go/kata-runtime/osbuilder/tree"
	"github.com/kata-go/kata-runtime/osbuilder/vmlinux"
)

// extractVersion is part of the cache's key: raise it when the way a package
// is turned into a vmlinux changes.
const extractVersion = "2"

// stock is a kernel from Debian's package, unpacked in the cache.
type stock struct {
	dir     string // holds vmlinux and lib/modules/RELEASE
	release string
	pkg     debian.Package
}

// image makes everything that does not need a compiler for the kernel:
// Debian's kernel with an initrd that carries its modules, and an initrd and a
// root image without modules for a kernel of our own.
func (s settings) image(ctx context.Context) error {
	agent, err := os.ReadFile(s.agent)
	if err != nil {
		return fmt.Errorf("agent: %w (build it first: make build)", err)
	}
	sum := sha256.Sum256(agent)
	base := manifest.Manifest{Version: s.version, AgentSHA256: hex.EncodeToString(sum[:]), SourceDateEpoch: s.epoch}

	k, err := fresh(ctx, s, s.stockKernel)
	if err != nil {
		return err
	}
	if base.Inputs, err = s.inputs(k, base.AgentSHA256); err != nil {
		return err
	}
	if s.current(base.Inputs, "debian/vmlinux", "debian/initrd.img", "tuned/initrd.img", "tuned/rootfs.img") {
		s.say("the guest in %s is up to date", s.out)
		return nil
	}
	if err := s.stockAssets(ctx, k, agent, base); err != nil {
		return err
	}
	return s.plainAssets(ctx, agent, base)
}

// inputs hashes all that the assets are made from.
func (s settings) inputs(k stock, agentSHA256 string) (string, error) {
	parts := []string{k.pkg.SHA256, agentSHA256, s.version, fmt.Sprint(s.epoch, s.zstd)}
	for _, file := range []string{"/proc/self/exe", s.modprobe} {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(data)
		parts = append(parts, string(sum[:]))
	}
	return cache.Key(parts...), nil
}

func (s settings) current(inputs string, names ...string) bool {
	for _, name := range names {
		if !manifest.Current(filepath.Join(s.out, name), inputs) {
			return false
		}
	}
	return true
}

// fresh does it again with new package lists if it fails: those of the
// machine may be missing or old.
func fresh[T any](ctx context.Context, s settings, do func(context.Context) (T, error)) (T, error) {
	result, err := do(ctx)
	if err == nil || ctx.Err() != nil || !debian.ListsAreToBlame(err) {
		return result, err
	}
	s.say("%v; getting new package lists", err)
	if uerr := debian.Update(ctx); uerr != nil {
		return result, errors.Join(err, uerr)
	}
	return do(ctx)
}

// stockKernel finds Debian's kernel. The full package, not the "cloud" one:
// that one has no 9p, and a host without virtiofsd needs 9p.
func (s settings) stockKernel(ctx context.Context) (stock, error) {
	pkg, err := debian.Real(ctx, "linux-image-"+runtime.GOARCH, "linux-image-")
	if err != nil {
		return stock{}, err
	}
	s.say("kernel %s %s", pkg.Name, pkg.Version)
	key := cache.Key("stock", extractVersion, pkg.SHA256)
	dir, err := s.cache.Get(ctx, "stock", key, func(ctx context.Context, dir string) error {
		s.say("downloading it (about 70 MB)")
		deb, err := pkg.Fetch(ctx, s.cache)
		if err != nil {
			return err
		}
		s.say("unpacking it")
		return unpackStock(ctx, deb, dir)
	})
	if err != nil {
		return stock{}, err
	}
	release, err := onlyName(filepath.Join(dir, "lib/modules"))
	return stock{dir: dir, release: release, pkg: pkg}, err
}

func unpackStock(ctx context.Context, deb, dir string) error {
	whole := filepath.Join(dir, "whole")
	if err := os.Mkdir(whole, 0o755); err != nil {
		return err
	}
	if err := debian.Unpack(ctx, deb, whole); err != nil {
		return err
	}
	images, err := filepath.Glob(filepath.Join(whole, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return fmt.Errorf("%s: %d kernels instead of one", deb, len(images))
	}
	bz, err := os.ReadFile(images[0])
	if err != nil {
		return err
	}
	elf, err := vmlinux.Extract(ctx, bz)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(images[0]), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vmlinux"), elf, 0o644); err != nil {
		return err
	}
	// A merged /usr keeps modules there.
	modules := filepath.Join(whole, "lib/modules")
	if _, err := os.Stat(modules); err != nil {
		modules = filepath.Join(whole, "usr/lib/modules")
	}
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o755); err != nil {
		return err
	}
	if err := os.Rename(modules, filepath.Join(dir, "lib/modules")); err != nil {
		return err
	}
	return os.RemoveAll(whole)
}

func (s settings) stockAssets(ctx context.Context, k stock, agent []byte, base manifest.Manifest) error {
	base.Flavour, base.KernelRelease, base.Packages = "debian", k.release, []debian.Package{k.pkg}
	elf, err := os.ReadFile(filepath.Join(k.dir, "vmlinux"))
	if err != nil {
		return err
	}
	m := base
	m.Name, m.AgentSHA256 = "kernel", ""
	if err := s.write("debian/vmlinux", elf, m); err != nil {
		return err
	}
	x, err := kmod.Open(filepath.Join(k.dir, "lib/modules", k.release))
	if err != nil {
		return err
	}
	t, err := guest.Tree(agent, s.version)
	if err != nil {
		return err
	}
	modprobe, err := os.ReadFile(s.modprobe)
	if err != nil {
		return fmt.Errorf("modprobe: %w (build it first: make build)", err)
	}
	m = base
	m.Name = "initrd"
	if m.Modules, err = guest.AddModules(t, x, k.release, modprobe); err != nil {
		return err
	}
	return s.writeInitrd(ctx, "debian/initrd.img", t, m)
}

func (s settings) plainAssets(ctx context.Context, agent []byte, base manifest.Manifest) error {
	base.Flavour = "tuned"
	t, err := guest.Tree(agent, s.version)
	if err != nil {
		return err
	}
	if err := guest.AddList(t, ""); err != nil {
		return err
	}
	m := base
	m.Name = "initrd"
	if err := s.writeInitrd(ctx, "tuned/initrd.img", t, m); err != nil {
		return err
	}
	image, err := guest.ErofsImage(ctx, t, s.epoch)
	if err != nil {
		return err
	}
	m.Name = "image"
	return s.write("tuned/rootfs.img", image, m)
}

func (s settings) writeInitrd(ctx context.Context, name string, t *tree.Tree, m manifest.Manifest) error {
	var out bytes.Buffer
	if err := cpio.Write(&out, t.Sorted(), s.epoch); err != nil {
		return err
	}
	data := out.Bytes()
	if s.zstd {
		cmd := exec.CommandContext(ctx, "zstd", "-q", "-19", "-T1", "-c")
		cmd.Stdin = &out
		var err error
		if data, err = cmd.Output(); err != nil {
			return fmt.Errorf("zstd: %w", err)
		}
	}
	return s.write(name, data, m)
}

func (s settings) write(name string, data []byte, m manifest.Manifest) error {
	path := filepath.Join(s.out, name)
	if err := manifest.Write(path, data, m); err != nil {
		return err
	}
	s.say("%s: %.1f MB", path, float64(len(data))/1e6)
	return nil
}

func onlyName(dir string) (string, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s: %d entries instead of one", dir, len(found))
	}
	return found[0].Name(), nil
}
