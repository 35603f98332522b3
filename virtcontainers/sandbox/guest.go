package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// inGuest checks that the state allows an operation, connects to the agent and
// makes the call.
func (h *Host) inGuest(ctx context.Context, id string, op container.Operation, do func(context.Context, *agent) error) (*state.Dir, error) {
	dir, st, c, err := h.load(id)
	if err != nil {
		return nil, err
	}
	if err := c.status().Check(op); err != nil {
		return nil, err
	}
	agent, err := h.connect(ctx, st)
	if err != nil {
		return nil, fmt.Errorf("%s container %s: %w", op, id, err)
	}
	defer agent.Close()
	if err := agent.call(ctx, func(ctx context.Context) error { return do(ctx, agent) }); err != nil {
		return nil, fmt.Errorf("%s container %s: %w", op, id, err)
	}
	return dir, nil
}

// Pause freezes all processes of a container.
func (h *Host) Pause(ctx context.Context, id string) error {
	dir, err := h.inGuest(ctx, id, container.Pause, func(ctx context.Context, a *agent) error {
		_, err := a.PauseContainer(ctx, &agentpb.ContainerRequest{ContainerId: id})
		return err
	})
	if err != nil {
		return err
	}
	return noteFlag(dir, id, container.Pause, pausedFlag, true)
}

// Resume lets a paused container go on.
func (h *Host) Resume(ctx context.Context, id string) error {
	dir, err := h.inGuest(ctx, id, container.Resume, func(ctx context.Context, a *agent) error {
		_, err := a.ResumeContainer(ctx, &agentpb.ContainerRequest{ContainerId: id})
		return err
	})
	if err != nil {
		return err
	}
	return noteFlag(dir, id, container.Resume, pausedFlag, false)
}

func startedFlag(c *Container) *bool { return &c.Started }
func pausedFlag(c *Container) *bool  { return &c.Paused }

// noteFlag writes down what an operation has brought about in the guest. There it
// is no error to do it again, so that one that was cut off before this can be
// repeated; but of two at the same time the later gets ErrState.
func noteFlag(dir *state.Dir, id string, op container.Operation, flag func(*Container) *bool, to bool) error {
	st := new(State)
	return dir.Update(st, func() error {
		c := st.Containers[id]
		if c == nil {
			return ErrNotExist
		}
		if *flag(c) == to {
			return c.status().Check(op)
		}
		*flag(c) = to
		return nil
	})
}

// Update changes a container's limits; what is absent is left as it is. The VM
// grows if it has to: ErrNoResources if it cannot. It keeps its size when limits
// shrink, but for virtio-mem. After an error the old limits hold.
func (h *Host) Update(ctx context.Context, id string, r *specs.LinuxResources) error {
	if err := h.update(ctx, id, r); err != nil {
		return fmt.Errorf("update container %s: %w", id, err)
	}
	return nil
}

func (h *Host) update(ctx context.Context, id string, r *specs.LinuxResources) error {
	document, err := json.Marshal(r)
	if err != nil {
		return err
	}
	dir, st, c, err := h.load(id)
	if err != nil {
		return err
	}
	if err := c.status().Check(container.Update); err != nil {
		return err
	}
	agent, err := h.connect(ctx, st)
	if err != nil {
		return err
	}
	defer agent.Close()
	back, err := h.growBy(ctx, dir, id, r, agent)
	if err != nil {
		return err
	}
	// The host first: what it refuses, the guest has not changed.
	unlimit, err := h.limitNow(id, r)
	if err != nil {
		return errors.Join(err, back())
	}
	err = agent.call(ctx, func(ctx context.Context) error {
		_, err := agent.UpdateContainer(ctx, &agentpb.UpdateContainerRequest{ContainerId: id, Resources: document})
		return err
	})
	if err != nil {
		return errors.Join(err, unlimit(), back())
	}
	h.shrink(ctx, dir)
	return nil
}

// limitNow sets the host's part of an update whose limits are noted.
func (h *Host) limitNow(id string, r *specs.LinuxResources) (undo func() error, err error) {
	// As they are now: another update may have been at work.
	_, st, c, err := h.load(id)
	if err != nil {
		return nil, err
	}
	if c.Infra || c.ID != st.ID {
		h.warnOfLimits(id, r)
		return func() error { return nil }, nil
	}
	return h.relimit(st, c, c.Limits.Complete(r))
}

// Stats answers a container's resource use as the guest measures it.
func (h *Host) Stats(ctx context.Context, id string) (*agentpb.StatsReply, error) {
	var reply *agentpb.StatsReply
	_, err := h.inGuest(ctx, id, container.Stats, func(ctx context.Context, a *agent) (err error) {
		reply, err = a.StatsContainer(ctx, &agentpb.ContainerRequest{ContainerId: id})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := plausible(reply); err != nil {
		return nil, fmt.Errorf("%s container %s: %w", container.Stats, id, err)
	}
	return reply, nil
}

// maxFigures is how many disks, interfaces and sizes of huge pages a guest may
// tell about: far more than a VM has. Callers make several objects of each.
const maxFigures = 1024

// plausible refuses what no honest guest answers.
func plausible(s *agentpb.StatsReply) error {
	if n := max(len(s.BlockIo), len(s.Network), len(s.Hugepages)); n > maxFigures {
		return fmt.Errorf("the guest tells of %d devices of a kind, more than %d: it is not to be trusted, delete its sandbox", n, maxFigures)
	}
	return nil
}

// Processes lists a container's processes with their pids in the guest. One that
// is stopped has none, and maybe no guest any more.
func (h *Host) Processes(ctx context.Context, id string) ([]*agentpb.ProcessInfo, error) {
	_, _, c, err := h.load(id)
	if err != nil {
		return nil, err
	}
	if c.status() == container.Stopped {
		return nil, nil
	}
	var reply *agentpb.ListProcessesReply
	_, err = h.inGuest(ctx, id, container.List, func(ctx context.Context, a *agent) (err error) {
		reply, err = a.ListProcesses(ctx, &agentpb.ContainerRequest{ContainerId: id})
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply.Processes, nil
}

// ShimPIDs lists the pids, on the host, of the shims that stand for a
// container's living processes.
func (h *Host) ShimPIDs(id string) ([]int, error) {
	_, _, c, err := h.load(id)
	if err != nil {
		return nil, err
	}
	if err := c.status().Check(container.List); err != nil {
		return nil, err
	}
	pids := []int{}
	for _, shim := range append([]proc.Handle{c.Shim}, values(c.Execs)...) {
		if shim.Alive() {
			pids = append(pids, shim.PID)
		}
	}
	return pids, nil
}

func values(m map[string]proc.Handle) []proc.Handle {
	var all []proc.Handle
	for _, v := range m {
		all = append(all, v)
	}
	return all
}
