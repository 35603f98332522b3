package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
)

// cloneShare is how a clone shares its folder. 9p, because its memory is a
// private mapping, which virtiofsd could not see.
var cloneShare = share.Choice{FS: share.Virtio9P, Reason: "the VM is a template's clone"}

// clone starts a VM that settle lets go on from the template.
func (b *boot) clone(ctx context.Context, st *State) error {
	vm := *b.spec
	vm.NICs = slices.Clone(vm.NICs)
	b.template, b.greeted, b.choice = b.saved.Key, true, cloneShare
	vm.Disks = nil // fitUp plugs them
	if err := b.shareFolder(st, &vm); err != nil {
		return err
	}
	channel, err := b.serial(st, &vm)
	if err != nil {
		return err
	}
	b.saved.Fit(&vm)
	b.began = resources.Size{VCPUs: vm.VCPUs, MemoryMiB: vm.MemoryMiB}
	for i, n := range vm.NICs {
		st.Network.NICs[i].MAC = n.MAC
	}
	if b.vm, err = b.power(ctx, &vm); err != nil {
		return err
	}
	st.VM = *b.vm
	return b.startProxy(st, channel)
}

// restore lets a clone go on where its template was saved. That takes some tens of
// milliseconds on an idle host.
func (b *boot) restore(ctx context.Context, saved *factory.Template) error {
	ctx, stop := b.patient(ctx)
	defer stop()
	return saved.Restore(ctx, b.vm)
}

// instead boots the VM because its clone has failed with cause, or one that
// was ready.
func (b *boot) instead(ctx context.Context, st *State, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	if st.Origin != "" {
		b.log.Warn("the VM is booted: the ready one cannot be used", "sandbox", st.ID, "error", cause)
		if err := b.giveUp(ctx, st); err != nil {
			return err
		}
		b.enter(st)
		if err := b.equip(st, false); err != nil {
			return err
		}
		return b.cold(ctx, st)
	}
	b.log.Warn("the VM is booted instead of cloned", "sandbox", st.ID, "error", cause)
	b.saved.Close()
	b.saved = nil
	if err := b.forgetClone(ctx, st); err != nil {
		return err
	}
	return b.cold(ctx, st)
}

// forgetClone ends what clone has started and removes its sockets, so that the
// same sandbox can boot.
func (b *boot) forgetClone(ctx context.Context, st *State) error {
	b.template = ""
	sockets := []string{agentSocket}
	if b.vm != nil {
		if err := b.vm.Kill(ctx); err != nil {
			return err
		}
		sockets = append(sockets, filepath.Base(b.vm.QMP))
	}
	if err := b.forgetVM(ctx, st, sockets...); err != nil {
		return err
	}
	for i, n := range b.spec.NICs {
		st.Network.NICs[i].MAC = n.MAC
	}
	return nil
}

// forgetVM ends the proxy of a VM that has ended, and removes the sandbox's
// sockets.
func (b *boot) forgetVM(ctx context.Context, st *State, sockets ...string) error {
	b.vm, b.greeted, b.met = nil, false, nil
	if err := st.Proxy.Kill(ctx); err != nil {
		return err
	}
	st.VM, st.Proxy = hypervisor.VM{}, proc.Handle{}
	for _, name := range append(sockets, proxySocket) {
		if err := os.Remove(filepath.Join(b.dir.Path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// distrust removes the template that the VM is a clone of: the guest or QEMU
// could not go on from it, and would not the next time. What its sandbox asks for
// besides, and does not get, is not the template's fault.
func (b *boot) distrust() {
	if b.template == "" {
		return
	}
	b.log.Warn("the template is removed", "template", b.template)
	if err := b.config.Factory.Folder().Drop(b.template); err != nil {
		b.log.Warn("the template stays", "template", b.template, "error", err)
	}
}

// template answers the saved VM that vm can begin with, or nil if vm has to be
// booted.
func (h *Host) template(ctx context.Context, vm *hypervisor.Spec, st *State) (*factory.Template, error) {
	config := h.settings.Factory
	if config == nil || !config.Enabled() {
		return nil, nil
	}
	why, err := h.unfit(vm, st)
	if err != nil {
		return nil, err
	}
	if why != "" {
		h.log.Debug("the VM is booted: no template fits it", "sandbox", vm.Name, "cause", why)
		return nil, nil
	}
	return h.find(ctx, vm.Name, st.Network.plugged(h.settings.Network)), nil
}

// find answers the template of the configuration in force, or nil.
func (h *Host) find(ctx context.Context, name string, nic bool) *factory.Template {
	config := h.settings.Factory
	fp, err := h.fingerprint(nic)
	if err != nil {
		h.log.Warn("the VM is booted: "+err.Error(), "sandbox", name)
		return nil
	}
	folder := config.Folder()
	t, err := folder.Find(fp)
	if err == nil {
		return t
	}
	if !config.AutoTemplate {
		h.log.Warn("the VM is booted: "+err.Error()+": run \"kata-runtime factory init\"", "sandbox", name)
		return nil
	}
	if !errors.Is(err, factory.ErrNone) || errors.Is(err, factory.ErrStale) {
		h.log.Warn(err.Error()+": a new one is made", "sandbox", name)
	}
	if why := folder.Failed(fp.Key); why != "" {
		h.log.Debug("the VM is booted: its template could not be made", "sandbox", name, "cause", why)
		return nil
	}
	switch _, err := h.MakeTemplate(ctx); {
	case errors.Is(err, factory.ErrBusy):
		h.log.Debug("the VM is booted: its template is being made", "sandbox", name)
		return nil
	case err != nil:
		h.log.Warn("the VM is booted: its template cannot be made", "sandbox", name, "error", err)
		return nil
	}
	if t, err = folder.Find(fp); err != nil {
		h.log.Warn("the VM is booted: "+err.Error(), "sandbox", name)
		return nil
	}
	return t
}
