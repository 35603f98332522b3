package factory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// ErrNone is the answer if there is no template that fits.
var ErrNone = errors.New("there is no template for these settings")

// ErrStale is in the answer, too, if there was one before its files changed.
var ErrStale = errors.New("stale")

// Template is a saved VM. It is open: that somebody removes it does not matter.
type Template struct {
	Info
	memory, state *os.File
}

// Close closes its files; clones that were started live on.
func (t *Template) Close() {
	for _, f := range []*os.File{t.memory, t.state} {
		if f != nil {
			f.Close()
		}
	}
}

// Find answers the template for a fingerprint. ErrNone if there is none;
// another error is about one that cannot be used.
func (f *Folder) Find(fp *hypervisor.Fingerprint) (*Template, error) {
	t, err := f.open(fp.Key)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Join(f.path, fp.Key)); err != nil {
			return nil, f.none()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("template %s in %s cannot be used: %w", fp.Key, f.path, err)
	}
	return t, nil
}

// none is ErrNone, and ErrStale if there was a template before its files changed.
func (f *Folder) none() error {
	list, err := f.List()
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.Info != nil && l.Err != nil {
			return fmt.Errorf("%w in %s: %s is %w", ErrNone, f.path, l.Key, l.Err)
		}
	}
	return fmt.Errorf("%w in %s", ErrNone, f.path)
}

// open opens a template and checks that its files are those that were saved.
func (f *Folder) open(key string) (_ *Template, err error) {
	info, err := f.readInfo(key)
	if err != nil {
		return nil, err
	}
	if err := f.private(); err != nil {
		return nil, err
	}
	t := &Template{Info: *info}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	dir := filepath.Join(f.path, key)
	for _, file := range []struct {
		name  string
		want  hypervisor.Input
		file  **os.File
		write bool
	}{{memoryFile, info.Memory, &t.memory, !info.ReadOnly}, {stateFile, info.State, &t.state, false}} {
		path, flag := filepath.Join(dir, file.name), os.O_RDONLY
		if file.write {
			flag = os.O_RDWR
		}
		if *file.file, err = os.OpenFile(path, flag, 0); err != nil {
			return nil, err
		}
		got, err := stamp(path)
		if err != nil {
			return nil, err
		}
		if got != file.want {
			return nil, fmt.Errorf("%s has changed since it was saved", path)
		}
	}
	return t, nil
}

// stamp is what a template's own file is like.
func stamp(path string) (hypervisor.Input, error) {
	i, err := hypervisor.Look(path)
	i.Path = ""
	return i, err
}

// Fit gives spec what a clone has in common with its template.
func (t *Template) Fit(spec *hypervisor.Spec) {
	spec.VCPUs, spec.MaxVCPUs = t.VCPUs, t.MaxVCPUs
	spec.MemoryMiB, spec.MaxMemoryMiB = t.MemoryMiB, t.MaxMemoryMiB
	for i := range min(len(spec.NICs), len(t.MACs)) {
		spec.NICs[i].MAC = t.MACs[i]
	}
	spec.Memory, spec.Incoming = &hypervisor.MemoryFile{File: t.memory, Private: true, ReadOnly: t.ReadOnly}, true
}

// Restore lets a VM that was started with a spec that Fit has changed go on
// where the template was saved. ctx has a deadline.
func (t *Template) Restore(ctx context.Context, vm *hypervisor.VM) error {
	if err := vm.Restore(ctx, t.state); err != nil {
		return fmt.Errorf("template %s: %w", t.Key, err)
	}
	return nil
}
