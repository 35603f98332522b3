package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

// recordingPrefix begins the id of the sandbox of which QEMU's translations are
// kept, the only one below its own root; random digits end it, since its cgroup is
// among those of users' containers, and of other roots.
const recordingPrefix = "kata-translations-"

// power starts a VM, with what QEMU has translated for others like it.
func (b *boot) power(ctx context.Context, vm *hypervisor.Spec) (*hypervisor.VM, error) {
	if vm.RecordTranslations = b.config.recording; vm.RecordTranslations == "" {
		vm.Translations = b.translations(ctx, vm)
	}
	if vm.Translations != nil {
		defer vm.Translations.Close()
	}
	vm.Populate = b.inside()
	started, err := factory.Boot(ctx, b.config.Hypervisor, vm)
	if err == nil {
		b.payment.pay(started.Process.PID)
	}
	return started, err
}

// translations answers what is kept for a VM, or nil. If there is nothing yet it
// is recorded now. The VM starts without it, too, so no error ends the start.
func (b *boot) translations(ctx context.Context, vm *hypervisor.Spec) *os.File {
	config := b.config.Factory
	if config == nil || !config.KeepTranslations {
		return nil
	}
	key, err := hypervisor.TranslationsKey(b.config.Hypervisor, vm)
	if key == "" {
		if err != nil {
			b.log.Warn("no translations are kept", "sandbox", vm.Name, "error", err)
		}
		return nil
	}
	kept := config.Translations()
	f, err := kept.Open(key)
	if err == nil {
		return f
	}
	if !errors.Is(err, factory.ErrNone) {
		b.log.Warn("no kept translations are used", "sandbox", vm.Name, "error", err)
		return nil
	}
	if why := kept.Failed(key); why != "" {
		b.log.Debug("no kept translations are used: they could not be recorded", "sandbox", vm.Name, "cause", why)
		return nil
	}
	if inside := b.inside(); inside != nil {
		<-inside // a recording is a sandbox, too, and enters a cgroup
	}
	host := &Host{settings: b.config, log: b.log}
	switch err := host.record(ctx, key, vm.Incoming); {
	case errors.Is(err, factory.ErrBusy):
		b.log.Debug("no kept translations are used: they are being recorded", "sandbox", vm.Name)
		return nil
	case err != nil:
		b.log.Warn("no kept translations are used: they cannot be recorded", "sandbox", vm.Name, "error", err)
		return nil
	}
	if f, err = kept.Open(key); err != nil {
		b.log.Warn("no kept translations are used", "sandbox", vm.Name, "error", err)
	}
	return f
}

// RecordTranslations records what QEMU translates for the VMs of the settings in
// force, for clones of their template if there is one, and answers the keys. The
// error is factory.ErrBusy while another process does.
func (h *Host) RecordTranslations(ctx context.Context) (keys []string, err error) {
	vm, err := h.model(false)
	if err != nil {
		return nil, err
	}
	kinds := []bool{false}
	if h.settings.Factory.Enabled() {
		kinds = append(kinds, true)
	}
	for _, vm.Incoming = range kinds {
		key, err := hypervisor.TranslationsKey(h.settings.Hypervisor, vm)
		if err == nil && key == "" {
			err = errors.New("nothing is translated for such a VM: keep_translations is for guests of amd64 without KVM")
		}
		if err == nil {
			err = h.record(ctx, key, vm.Incoming)
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// record has a sandbox of our own do what the first ones of users will, and QEMU
// write what it has translated for that. A clone's is one of a clone.
func (h *Host) record(ctx context.Context, key string, clone bool) error {
	return h.settings.Factory.Translations().Record(ctx, key, func(work, vms, file string) error {
		settings, machine := *h.settings, *h.settings.Hypervisor
		machine.DefaultVCPUs = 1 // QEMU records nothing else
		settings.Hypervisor, settings.Factory, settings.recording = &machine, nil, file
		if clone {
			config := *h.settings.Factory
			config.KeepTranslations, config.VMCacheNumber = false, 0
			settings.Factory = &config
		}
		worker, err := recorder(ctx, vms, &settings, h.log)
		if err != nil {
			return err
		}
		if err := worker.live(ctx, work, exampleIn(vms)); err != nil {
			return fmt.Errorf("record translations: %w", err)
		}
		return nil
	})
}

// recorder answers the host below which the sandbox of a recording lives, with
// nothing left of one that was killed.
func recorder(ctx context.Context, vms string, settings *Settings, log *slog.Logger) (*Host, error) {
	h, err := NewHost(vms, settings, log)
	if err != nil {
		return nil, err
	}
	names, err := h.store.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := h.discard(ctx, name); err != nil {
			return nil, err
		}
	}
	return h, errors.Join(os.MkdirAll(vms, 0o700), network.RemoveNamespace(exampleIn(vms)))
}

// exampleIn is where its network namespace is.
func exampleIn(vms string) string { return filepath.Join(vms, "netns") }

// live has a container go through its life, in a network namespace that is made at
// netns, and then QEMU quit.
func (h *Host) live(ctx context.Context, work, netns string) (err error) {
	ns, err := network.NewExample(netns)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ns.Remove()) }()
	bundle, err := recordedBundle(work, ns.Path())
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	suffix, err := newExecID()
	if err != nil {
		return err
	}
	id := recordingPrefix + suffix[:12]
	stdio := container.Stdio{Stdin: null, Stdout: null, Stderr: null, NewSession: true}
	publish := func(int) error { return nil }
	first, err := h.Create(ctx, &CreateRequest{ID: id, Bundle: bundle, Stdio: stdio, Publish: publish})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), teardownTimeout)
		defer cancel()
		err = errors.Join(err, h.discard(ctx, id))
	}()
	// More than once: what is done again with another copy of a program in memory
	// needs another copy of its translation.
	for range 3 {
		shim, err := h.Exec(ctx, &ExecRequest{ID: id, Process: bundle.Spec.Process, Stdio: stdio, Publish: publish})
		if err != nil {
			return err
		}
		if err := ended(shim); err != nil {
			return err
		}
	}
	if err := h.Start(ctx, id); err != nil {
		return err
	}
	if err := ended(first); err != nil {
		return err
	}
	_, st, _, err := h.load(id)
	if err != nil {
		return err
	}
	h.farewell(ctx, st)
	if err := quit(ctx, &st.VM); err != nil {
		return err
	}
	if _, err := os.Stat(h.settings.recording); err != nil {
		return fmt.Errorf("QEMU has written nothing to %s, which needs room for some 100 MB: %s", filepath.Dir(work), st.VM.ExitError().Log)
	}
	return nil
}

// ended waits for a process that has to end well: else nothing of it was recorded.
func ended(shim *container.Shim) error {
	code, err := shim.Wait()
	if err == nil && code != 0 {
		err = fmt.Errorf("its process has ended with code %d", code)
	}
	return err
}

// quit ends a VM in the way that lets QEMU write its files.
func quit(ctx context.Context, vm *hypervisor.VM) error {
	ctx, cancel := context.WithTimeout(ctx, teardownTimeout)
	defer cancel()
	monitor, err := vm.Monitor(ctx)
	if err != nil {
		return err
	}
	err = monitor.Quit(ctx)
	monitor.Close()
	if err != nil {
		return err
	}
	return vm.Wait(ctx)
}

// KeptTranslations tells what there is, and where.
func (h *Host) KeptTranslations() (folder string, list []factory.Kept, err error) {
	kept := h.settings.Factory.Translations()
	list, err = kept.Kept()
	return kept.Path(), list, err
}

// RemoveTranslations removes all that QEMU has translated, and what the recording
// of it has left that was killed. VMs that use it live on.
func (h *Host) RemoveTranslations(ctx context.Context) error {
	kept := h.settings.Factory.Translations()
	if _, err := os.Lstat(kept.Path()); errors.Is(err, fs.ErrNotExist) {
		return nil // and no lock is made for nothing
	}
	lock, err := kept.Lock()
	if err != nil {
		return err
	}
	if _, err := recorder(ctx, lock.VMDir(), h.settings, h.log); err != nil {
		lock.Unlock()
		return err
	}
	return lock.Destroy()
}
