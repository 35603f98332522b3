package sandbox

import (
	"context"
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
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
func (h *Host) Probe(ctx context.Context) (*Probed, error) {
	suffix, err := newExecID()
	if err != nil {
		return nil, err
	}
	var p *Probed
	err = h.borrow("kata-check-"+suffix, func(dir *state.Dir, st *State) error {
		boot, err := h.startVM(ctx, dir, st, &specs.Spec{Linux: &specs.Linux{}}, oci.Single)
		if err != nil {
			return err
		}
		defer boot.close()
		if err := boot.settle(ctx, st); err != nil {
			return err
		}
		ctx, cancel := boot.vm.Bind(ctx)
		defer cancel()
		ctx, stop := boot.patient(ctx)
		defer stop()
		agent, err := dial.Connect(ctx, st.Agent, "kata-runtime kata-check")
		if err != nil {
			return boot.failure(ctx, err)
		}
		defer agent.Close()
		details, err := agent.GuestDetails(ctx, &agentpb.Empty{})
		if err != nil {
			return boot.failure(ctx, guestError(err))
		}
		p = &Probed{Kernel: wire.Printable(details.Kernel), Machine: st.VM.Machine, Accelerator: st.VM.Accelerator}
		return nil
	})
	return p, err
}

// borrow makes a sandbox without a container, with a network namespace of its
// own, for the time of use. Whatever use does to it, nothing is left.
func (h *Host) borrow(id string, use func(*state.Dir, *State) error) (err error) {
	if err := hypervisor.Validate(h.settings.Hypervisor); err != nil {
		return err
	}
	dir, err := h.store.Create(id, id)
	if err != nil {
		return err
	}
	st := &State{ID: id, Containers: map[string]*Container{id: {ID: id}}}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), teardownTimeout)
		defer cancel()
		err = errors.Join(err, h.teardown(ctx, dir, st))
	}()
	if st.Containers[id].Creator, err = proc.Of(os.Getpid()); err != nil {
		return err
	}
	if err := dir.Update(&State{}, func() error { return nil }); err != nil {
		return err
	}
	st.Network.plan(dir, "", h.settings.Network)
	if err := st.Network.open(); err != nil {
		return err
	}
	return use(dir, st)
}
