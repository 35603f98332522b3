package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/kata-go/kata-runtime/osbuilder/cache"
	"github.com/kata-go/kata-runtime/osbuilder/debian"
	"github.com/kata-go/kata-runtime/osbuilder/kernel"
	"github.com/kata-go/kata-runtime/osbuilder/manifest"
)

// buildVersion is part of the cache's key: raise it when the way a kernel is
// built changes.
const buildVersion = "1"

// source finds Debian's package of the kernel's source and downloads it.
func (s settings) source(ctx context.Context) (source, error) {
	pkg, err := debian.Real(ctx, "linux-source", "linux-source-")
	if err != nil {
		return source{}, err
	}
	s.say("kernel from %s %s (about 140 MB to download, once)", pkg.Name, pkg.Version)
	deb, err := pkg.Fetch(ctx, s.cache)
	return source{pkg, deb}, err
}

type source struct {
	pkg debian.Package
	deb string
}

// kernel builds our own kernel, or takes it from the cache.
func (s settings) kernel(ctx context.Context) error {
	src, err := fresh(ctx, s, s.source)
	if err != nil {
		return err
	}
	compiler, err := kernel.Compiler(ctx)
	if err != nil {
		return err
	}
	key := cache.Key("kernel", buildVersion, src.pkg.SHA256, kernel.PatchesSHA256(), kernel.Asked(), compiler, strconv.FormatInt(s.epoch, 10))
	dir, err := s.cache.Get(ctx, "kernel", key, func(ctx context.Context, dir string) error {
		return s.buildKernel(ctx, src.deb, key, dir)
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
		ConfigSHA256: hex.EncodeToString(sum[:]), PatchesSHA256: kernel.PatchesSHA256(), Compiler: compiler, SourceDateEpoch: s.epoch,
	})
}

func (s settings) buildKernel(ctx context.Context, deb, key, dir string) error {
	path := filepath.Join(s.cache.Dir, "kernel-"+key+".log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(kernel.Build(ctx, deb, dir, s.epoch, log, s.say), log.Close()); err != nil {
		return fmt.Errorf("%w (the whole output is in %s)", err, path)
	}
	return nil
}
