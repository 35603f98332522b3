package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/kata-go/kata-runtime/osbuilder/cache"
	"github.com/kata-go/kata-runtime/osbuilder/debian"
	"github.com/kata-go/kata-runtime/osbuilder/manifest"
	"github.com/kata-go/kata-runtime/osbuilder/qemu"
	"github.com/kata-go/kata-runtime/osbuilder/source"
)

// qemuVersion is part of the cache's key: raise it when the way QEMU is built
// changes.
const qemuVersion = "1"

// qemu builds our own QEMU, or takes it from the cache.
func (s settings) qemu(ctx context.Context) (err error) {
	lists, err := os.MkdirTemp("", "kata-sources-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(lists)) }()
	src, err := debian.FindSource(ctx, lists, "qemu", qemu.Release)
	if err != nil {
		return err
	}
	s.say("QEMU %s", src.Version)
	compiler, err := source.Compiler(ctx, "prerequisites-qemu")
	if err != nil {
		return err
	}
	patches := source.SHA256(qemu.Patches()) + source.SHA256(qemu.Files())
	key := cache.Key("qemu", qemuVersion, src.SHA256, patches, compiler, strconv.FormatInt(s.epoch, 10))
	dir, err := s.cache.Get(ctx, "qemu", key, func(ctx context.Context, dir string) error {
		return s.logged("qemu-"+key, func(log *os.File) error { return qemu.Build(ctx, src, dir, log, s.say) })
	})
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(filepath.Join(dir, qemu.Binary))
	if err != nil {
		return err
	}
	name := filepath.Join("qemu", qemu.Binary)
	err = s.write(name, binary, manifest.Manifest{
		Name: "qemu", Flavour: "tuned", Version: s.version, Packages: []debian.Package{src.Package},
		PatchesSHA256: patches, Compiler: compiler, SourceDateEpoch: s.epoch,
	})
	if err != nil {
		return err
	}
	return os.Chmod(filepath.Join(s.out, name), 0o755)
}

// logged gives build a log in the cache, and names it in the error.
func (s settings) logged(name string, build func(log *os.File) error) error {
	path := filepath.Join(s.cache.Dir, name+".log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(build(log), log.Close()); err != nil {
		return fmt.Errorf("%w (the whole output is in %s)", err, path)
	}
	return nil
}
