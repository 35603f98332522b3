package factory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// maxTemplates is how many templates are kept: pods whose annotations change
// the machine have one each. Beyond that the oldest goes.
const maxTemplates = 4

// Draft is a template in the making.
type Draft struct {
	folder *Locked
	dir    string
	info   Info
	memory *os.File
}

// Draft begins a template; what is left of one that was never finished goes.
// The sandbox in VMDir must be gone.
func (l *Locked) Draft() (*Draft, error) {
	if err := l.prepare(); err != nil {
		return nil, err
	}
	if err := l.clear(func(string) bool { return false }); err != nil {
		return nil, err
	}
	d := &Draft{folder: l, dir: filepath.Join(l.path, draftDir)}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return d, nil
}

// Abandon removes the draft, unless it has become a template.
func (d *Draft) Abandon() error {
	if d.memory != nil {
		d.memory.Close()
	}
	return os.RemoveAll(d.dir)
}

// Boot starts the VM that is to be the template, on a memory file.
func (d *Draft) Boot(ctx context.Context, config *hypervisor.Config, spec *hypervisor.Spec) (*hypervisor.VM, error) {
	fp, err := hypervisor.FingerprintOf(config, spec)
	if err != nil {
		return nil, err
	}
	d.info = Info{
		Version: infoVersion, Key: fp.Key, Inputs: fp.Inputs, Created: time.Now().UTC(),
		VCPUs: spec.VCPUs, MemoryMiB: spec.MemoryMiB,
		MaxVCPUs: spec.MaxVCPUs, MaxMemoryMiB: spec.MaxMemoryMiB, Protocol: wire.ProtocolVersion,
	}
	for _, n := range spec.NICs {
		d.info.MACs = append(d.info.MACs, n.MAC)
	}
	if d.memory, err = d.create(memoryFile); err != nil {
		return nil, err
	}
	if err := d.memory.Truncate(int64(spec.MemoryMiB) << 20); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	spec.Memory = &hypervisor.MemoryFile{File: d.memory}
	vm, err := hypervisor.Launch(ctx, config, spec)
	if err == nil {
		d.info.Machine, d.info.Accelerator = vm.Machine, vm.Accelerator
	}
	return vm, err
}

func (d *Draft) create(name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return f, nil
}

// Save stops the VM, saves its state beside its memory and ends it. The draft
// is complete then.
func (d *Draft) Save(ctx context.Context, vm *hypervisor.VM) error {
	state, err := d.create(stateFile)
	if err != nil {
		return err
	}
	defer state.Close()
	monitor, err := vm.Monitor(ctx)
	if err != nil {
		return err
	}
	if d.info.ReadOnly, err = monitor.CanMapReadOnly(ctx); err == nil {
		err = monitor.Save(ctx, state)
	}
	monitor.Close()
	if err != nil {
		return fmt.Errorf("save the template's VM: %w", err)
	}
	// Only then its memory cannot change any more.
	return vm.Kill(ctx)
}

// Commit makes the draft the template of its key. The one that had it goes, and
// so do those whose files have changed, and the oldest beyond maxTemplates.
func (d *Draft) Commit() (*Info, error) {
	var err error
	if d.info.Memory, err = stamp(filepath.Join(d.dir, memoryFile)); err != nil {
		return nil, err
	}
	if d.info.State, err = stamp(filepath.Join(d.dir, stateFile)); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(&d.info, "", "  ")
	if err != nil {
		return nil, err
	}
	if _, err := parseInfo(data); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(d.dir, infoFile), data, 0o600); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	drop, err := d.outdated()
	if err != nil {
		return nil, err
	}
	if err := d.folder.remove(drop); err != nil {
		return nil, err
	}
	if err := os.Rename(d.dir, filepath.Join(d.folder.path, d.info.Key)); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return &d.info, nil
}

// outdated are the keys whose templates make room for the draft.
func (d *Draft) outdated() ([]string, error) {
	list, err := d.folder.List()
	if err != nil {
		return nil, err
	}
	drop := []string{d.info.Key}
	var good []string
	for _, l := range list {
		switch {
		case l.Key == d.info.Key:
		case l.Err != nil:
			drop = append(drop, l.Key)
		default:
			good = append(good, l.Key)
		}
	}
	return append(drop, good[:max(0, len(good)+1-maxTemplates)]...), nil
}

// remove removes templates and notes by their keys.
func (l *Locked) remove(keys []string) error {
	var errs []error
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		errs = append(errs, os.RemoveAll(filepath.Join(l.path, key)), os.RemoveAll(filepath.Join(l.path, key+failedSuffix)))
	}
	return errors.Join(errs...)
}

// Fail notes why the template cannot be made, so that not each start tries
// again and pays for it.
func (d *Draft) Fail(reason error) error {
	if d.info.Key == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(d.folder.path, d.info.Key+failedSuffix), []byte(reason.Error()+"\n"), 0o600)
}

// Drop removes the template of a key, so that nobody takes it again.
func (f *Folder) Drop(key string) error {
	l, err := f.Lock()
	if err != nil {
		return err
	}
	defer l.Unlock()
	return l.remove([]string{key})
}
