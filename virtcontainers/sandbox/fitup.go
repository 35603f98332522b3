package sandbox

import (
	"context"

	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
)

// fitUp gives a VM that began as any other what its sandbox asks for: disks,
// memory, CPUs. Further interfaces get their NICs when they are connected.
func (b *boot) fitUp(ctx context.Context, st *State) error {
	ctx, cancel := b.vm.Bind(ctx)
	defer cancel()
	ctx, stop := b.patient(ctx)
	defer stop()
	if err := b.plugDisks(ctx); err != nil {
		return err
	}
	if b.spec.VCPUs <= b.began.VCPUs && b.spec.MemoryMiB <= b.began.MemoryMiB {
		return nil
	}
	client, err := dial.Client(ctx, st.Agent)
	if err != nil {
		return b.failure(ctx, err)
	}
	a := &agent{client}
	defer a.Close()
	return grow(ctx, st, resources.Size{VCPUs: b.spec.VCPUs, MemoryMiB: b.spec.MemoryMiB}, a, false)
}

// plugDisks gives the VM the disks that it would have booted with.
func (b *boot) plugDisks(ctx context.Context) error {
	if len(b.spec.Disks) == 0 {
		return nil
	}
	monitor, err := b.vm.Monitor(ctx)
	if err != nil {
		return err
	}
	defer monitor.Close()
	for _, d := range b.spec.Disks {
		if err := monitor.HotplugDisk(ctx, b.config.Hypervisor, d); err != nil {
			return err
		}
	}
	return nil
}
