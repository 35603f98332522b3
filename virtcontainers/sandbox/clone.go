package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
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
	b.template, b.choice = b.saved.Key, cloneShare
	if err := b.shareFolder(st, &vm); err != nil {
		return err
	}
	channel, err := b.serial(st, &vm)
	if err != nil {
		return err
	}
	b.saved.Fit(&vm)
	for i, n := range vm.NICs {
		st.Network.NICs[i].MAC = n.MAC
	}
	if b.vm, err = factory.Boot(ctx, b.config.Hypervisor, &vm); err != nil {
		return err
	}
	st.VM = *b.vm
	return b.startProxy(st, channel)
}

// instead boots the VM because its clone has failed with cause.
func (b *boot) instead(ctx context.Context, st *State, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	b.log.Warn("the VM is booted instead of cloned", "sandbox", st.ID, "error", cause)
	b.distrust()
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
	sockets := []string{filepath.Join(b.dir.Path, agentSocket), filepath.Join(b.dir.Path, proxySocket)}
	if b.vm != nil {
		if err := b.vm.Kill(ctx); err != nil {
			return err
		}
		sockets = append(sockets, b.vm.QMP)
		b.vm = nil
	}
	if err := st.Proxy.Kill(ctx); err != nil {
		return err
	}
	st.VM, st.Proxy = hypervisor.VM{}, proc.Handle{}
	for _, path := range sockets {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for i, n := range b.spec.NICs {
		st.Network.NICs[i].MAC = n.MAC
	}
	return nil
}

// distrust removes the template that the VM is a clone of: the guest or QEMU
// could not go on from it, and would not the next time.
func (b *boot) distrust() {
	if b.template == "" {
		return
	}
	b.log.Warn("the template is removed", "template", b.template)
	if err := b.config.Factory.Folder().Drop(b.template); err != nil {
		b.log.Warn("the template stays", "template", b.template, "error", err)
	}
}

// template answers the saved VM that can stand for vm, or nil if vm has to be
// booted.
func (h *Host) template(ctx context.Context, vm *hypervisor.Spec) *factory.Template {
	config := h.settings.Factory
	if config == nil || !config.Enabled() {
		return nil
	}
	if err := h.cloneable(vm); err != nil {
		h.log.Debug("the VM is booted: no template fits it", "sandbox", vm.Name, "cause", err)
		return nil
	}
	fp, err := h.templateFingerprint(vm)
	if err != nil {
		h.log.Warn("the VM is booted: "+err.Error(), "sandbox", vm.Name)
		return nil
	}
	folder := config.Folder()
	t, err := folder.Find(fp)
	if err == nil {
		return t
	}
	if !config.AutoTemplate {
		h.log.Warn("the VM is booted: "+err.Error()+": run \"kata-runtime factory init\"", "sandbox", vm.Name)
		return nil
	}
	if !errors.Is(err, factory.ErrNone) {
		h.log.Warn(err.Error()+": a new one is made", "sandbox", vm.Name)
	}
	if why := folder.Failed(fp.Key); why != "" {
		h.log.Debug("the VM is booted: its template could not be made", "sandbox", vm.Name, "cause", why)
		return nil
	}
	switch _, err := h.MakeTemplate(ctx); {
	case errors.Is(err, factory.ErrBusy):
		h.log.Debug("the VM is booted: its template is being made", "sandbox", vm.Name)
		return nil
	case err != nil:
		h.log.Warn("the VM is booted: its template cannot be made", "sandbox", vm.Name, "error", err)
		return nil
	}
	if t, err = folder.Find(fp); err != nil {
		h.log.Warn("the VM is booted: "+err.Error(), "sandbox", vm.Name)
		return nil
	}
	return t
}

// cloneable says what keeps vm from being a clone.
func (h *Host) cloneable(vm *hypervisor.Spec) error {
	_, size, err := h.templateSize()
	switch {
	case err != nil:
		return err
	case vm.VCPUs > size.VCPUs || vm.MemoryMiB > size.MemoryMiB:
		return fmt.Errorf("it has %d CPUs and %d MiB, a clone has %d and %d", vm.VCPUs, vm.MemoryMiB, size.VCPUs, size.MemoryMiB)
	case len(vm.Disks) > 0:
		return errors.New("it has a disk")
	case len(vm.NICs) > 1:
		return errors.New("it has several interfaces")
	case h.settings.Network.Model == network.ModelMacvtap:
		return errors.New(`internetworking_model is "macvtap"`)
	case h.settings.Share.SharedFS == share.VirtioFS:
		return errors.New(`shared_fs is "virtio-fs"`)
	}
	return nil
}

// templateSize is the size of a VM whose containers have no limits.
func (h *Host) templateSize() (Sizing, resources.Size, error) {
	sizing, err := h.settings.sizing()
	if err != nil {
		return Sizing{}, resources.Size{}, err
	}
	size, err := sizing.bootSize(&specs.Spec{Linux: &specs.Linux{}}, oci.Single)
	return sizing, size, err
}

// templateFingerprint is that of the template which vm could be a clone of.
func (h *Host) templateFingerprint(vm *hypervisor.Spec) (*hypervisor.Fingerprint, error) {
	sizing, size, err := h.templateSize()
	if err != nil {
		return nil, err
	}
	like := *vm
	sizing.apply(size, &like)
	like.Shares = []hypervisor.Share{{Tag: share.Tag}}
	// Any open file stands for the socket.
	like.Agent = hypervisor.AgentChannel{Serial: vm.Console}
	return hypervisor.FingerprintOf(h.settings.Hypervisor, &like)
}
