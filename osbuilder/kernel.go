package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"

	"github.com/kata-go/kata-runtime/osbuilder/cache"
	"github.com/kata-go/kata-runtime/osbuilder/debian"
	"github.com/kata-go/kata-runtime/osbuilder/kernel"
	"github.com/kata-go/kata-runtime/osbuilder/manifest"
	"github.com/kata-go/kata-runtime/osbuilder/source"
)

// buildVersion is part of the cache's key: raise it when the way a kernel is
// built changes.
const buildVersion = "1"

// kernelSource finds Debian's package of the kernel's source and downloads it.
func (s settings) kernelSource(ctx context.Context) (kernelSource, error) {
	pkg, err := debian.Real(ctx, "linux-source", "linux-source-")
	if err != nil {
		return kernelSource{}, err
	}
	s.say("kernel from %s %s (about 140 MB to download, once)", pkg.Name, pkg.Version)
	deb, err := pkg.Fetch(ctx, s.cache)
	return kernelSource{pkg, deb}, err
}

type kernelSource struct {
	pkg debian.Package
	deb string
}

// kernel builds our own kernel, or takes it from the cache.
func (s settings) kernel(ctx context.Context) error {
	src, err := fresh(ctx, s, s.kernelSource)
	if err != nil {
		return err
	}
	compiler, err := source.Compiler(ctx, "prerequisites-kernel")
	if err != nil {
		return err
	}
	key := cache.Key("kernel", buildVersion, src.pkg.SHA256, source.SHA256(kernel.Patches()), kernel.Asked(), compiler, strconv.FormatInt(s.epoch, 10))
	dir, err := s.cache.Get(ctx, "kernel", key, func(ctx context.Context, dir string) error {
		return s.logged("kernel-"+key, func(log *os.File) error {
			return kernel.Build(ctx, src.deb, dir, s.epoch, log, s.say)
		})
	})
	if err != nil {
		return err
	}
	elf, err := os.ReadFile(filepath.Join(dir, kernel.Vmlinux))
	if err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(dir, kernel.Config))
	if err != nil {
		return err
	}
	release, err := os.ReadFile(filepath.Join(dir, kernel.Release))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(config)
	return s.write("tuned/vmlinux", elf, manifest.Manifest{
		Name: "kernel", Flavour: "tuned", Version: s.version,
		KernelRelease: string(release), Packages: []debian.Package{src.pkg},
		ConfigSHA256: hex.EncodeToString(sum[:]), PatchesSHA256: source.SHA256(kernel.Patches()), Compiler: compiler, SourceDateEpoch: s.epoch,
	})
}
