package sandbox

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
)

// Templates and ready VMs are made before anybody knows a sandbox: they have
// what every VM has, and what a sandbox asks for beyond that is plugged in.

// unfit says why vm cannot begin with such a VM; empty if it can.
func (h *Host) unfit(vm *hypervisor.Spec, st *State) (string, error) {
	switch {
	case h.settings.Network.Model == network.ModelMacvtap:
		return `internetworking_model is "macvtap"`, nil
	case h.settings.Share.SharedFS == share.VirtioFS:
		return `shared_fs is "virtio-fs"`, nil
	}
	can, err := h.settings.Hypervisor.Hotplug()
	if err != nil {
		return "", err
	}
	_, size, err := h.modelSize()
	if err != nil {
		return "", err
	}
	fixed := st.Sizing.Static
	switch {
	case vm.VCPUs > size.VCPUs && (fixed || !can.CPUs):
		return fmt.Sprintf("it has %d CPUs, begins with %d and cannot get more", vm.VCPUs, size.VCPUs), nil
	case vm.MemoryMiB > size.MemoryMiB && (fixed || !can.Memory):
		return fmt.Sprintf("it has %d MiB, begins with %d and cannot get more", vm.MemoryMiB, size.MemoryMiB), nil
	case len(vm.Disks) > 0 && !can.Disks:
		return "it has a disk, which cannot be hot-plugged", nil
	}
	if can.NICs {
		return "", nil
	}
	n, err := st.Network.count(h.settings.Network)
	if n > 1 {
		return "it has several interfaces, and the machine type has no hot-plug", nil
	}
	return "", err
}

// modelSize is the size of a VM whose containers have no limits.
func (h *Host) modelSize() (Sizing, resources.Size, error) {
	sizing, err := h.settings.sizing()
	if err != nil {
		return Sizing{}, resources.Size{}, err
	}
	size, err := sizing.bootSize(&specs.Spec{Linux: &specs.Linux{}}, oci.Single, 0)
	return sizing, size, err
}

// model describes the VM that a template or a ready one is. The files in it
// only stand for those of a VM that is launched.
func (h *Host) model(nic bool) (*hypervisor.Spec, error) {
	sizing, size, err := h.modelSize()
	if err != nil {
		return nil, err
	}
	file := os.Stdin
	vm := h.settings.machine()
	sizing.apply(size, vm)
	vm.Console, vm.Agent = file, hypervisor.AgentChannel{Serial: file}
	vm.Shares = []hypervisor.Share{{Tag: share.Tag}}
	if !nic {
		return vm, nil
	}
	n := hypervisor.NIC{ID: nicID(0), MAC: "02:00:00:00:00:00", Taps: []*os.File{file}}
	vhost, err := h.settings.queues().HasVHost()
	if vhost {
		n.VHosts = []*os.File{file}
	}
	vm.NICs = []hypervisor.NIC{n}
	return vm, err
}

// fingerprint is that of the template that VMs begin with.
func (h *Host) fingerprint(nic bool) (*hypervisor.Fingerprint, error) {
	vm, err := h.model(nic)
	if err != nil {
		return nil, err
	}
	return hypervisor.FingerprintOf(h.settings.Hypervisor, vm)
}

// readyKey tells which ready VMs fit.
func (h *Host) readyKey(nic bool) (string, error) {
	vm, err := h.model(nic)
	if err != nil {
		return "", err
	}
	return hypervisor.KeyOf(h.settings.Hypervisor, vm)
}
