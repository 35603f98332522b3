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

// kernel builds our own kernel, or takes it from the cache.
func (s settings) kernel(ctx context.Context) error {
	meta, err := debian.Resolve(ctx, "linux-source")
	if err != nil {
		return err
	}
	name, err := meta.First("linux-source-")
	if err != nil {
		return err
	}
	pkg, err := debian.Resolve(ctx, name)
	if err != nil {
		return err
	}
	compiler, err := kernel.Compiler(ctx)
	if err != nil {
		return err
	}
	s.say("kernel from %s %s with %s", pkg.Name, pkg.Version, compiler)
	key := cache.Key("kernel", buildVersion, pkg.SHA256, kernel.Asked(), compiler, strconv.FormatInt(s.epoch, 10))
	dir, err := s.cache.Get(ctx, "kernel", key, func(ctx context.Context, dir string) error {
		return s.buildKernel(ctx, pkg, key, dir)
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
		KernelRelease: string(release), Packages: []debian.Package{pkg},
		ConfigSHA256: hex.EncodeToString(sum[:]), Compiler: compiler, SourceDateEpoch: s.epoch,
	})
}

func (s settings) buildKernel(ctx context.Context, pkg debian.Package, key, dir string) error {
	s.say("downloading the source (about 140 MB)")
	deb, err := pkg.Fetch(ctx, s.cache)
	if err != nil {
		return err
	}
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
