package sandbox

import (
	"context"
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// Probed is what a VM that booted for a check told.
type Probed struct {
	// Kernel is the guest's release, as of uname -r.
	Kernel string
	// Machine and Accelerator are what it ran on ("q35", "tcg").
	Machine, Accelerator string
}

// Probe boots a VM as for a container, asks its agent for the kernel, and
// ends it. Nothing is left. It keeps ctx's deadline.
func (h *Host) Probe(ctx context.Context) (_ *Probed, err error) {
	if err := hypervisor.Validate(h.settings.Hypervisor); err != nil {
		return nil, err
	}
	suffix, err := newExecID()
	if err != nil {
		return nil, err
	}
	id := "kata-check-" + suffix
	dir, err := h.store.Create(id, id)
	if err != nil {
		return nil, err
	}
	st := &State{ID: id, Containers: map[string]*Container{id: {ID: id}}}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), teardownTimeout)
		defer cancel()
		err = errors.Join(err, h.teardown(ctx, dir, st))
	}()
	if st.Containers[id].Creator, err = proc.Of(os.Getpid()); err != nil {
		return nil, err
	}
	if err := dir.Update(&State{}, func() error { return nil }); err != nil {
		return nil, err
	}
	if err := st.Network.open(dir, "", h.settings.Network); err != nil {
		return nil, err
	}
	boot, err := h.startVM(ctx, dir, st, &specs.Spec{Linux: &specs.Linux{}}, oci.Single)
	if err != nil {
		return nil, err
	}
	defer boot.close()
	ctx, cancel := boot.vm.Bind(ctx)
	defer cancel()
	agent, err := dial.Connect(ctx, st.Agent, "kata-runtime kata-check")
	if err != nil {
		return nil, boot.failure(ctx, err)
	}
	defer agent.Close()
	details, err := agent.GuestDetails(ctx, &agentpb.Empty{})
	if err != nil {
		return nil, boot.failure(ctx, guestError(err))
	}
	return &Probed{Kernel: clean(details.Kernel), Machine: st.VM.Machine, Accelerator: st.VM.Accelerator}, nil
}
