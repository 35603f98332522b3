package sandbox

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// ErrNotRunning is the answer to a signal for a container that has ended. Its
// text is what engines look for.
var ErrNotRunning = errors.New("container not running")

// Kill sends a signal to a container's init process, or to all its processes.
// SIGKILL works even on a guest that does not answer: if the container is the
// only one, its VM is ended. One whose VM has ended does not run, and by SIGKILL
// what stands for it on the host goes, too.
func (h *Host) Kill(ctx context.Context, id string, sig unix.Signal, all bool) error {
	_, st, c, err := h.load(id)
	if err != nil {
		return err
	}
	status := c.status()
	if status == container.Stopped && all {
		return nil // as runc: nobody is left to get it
	}
	if err := status.Check(container.Kill); err != nil {
		if status == container.Stopped {
			return ErrNotRunning
		}
		return err
	}
	err = h.signal(ctx, st, c, sig, all)
	if errors.Is(err, errDying) {
		if sig == unix.SIGKILL {
			return h.endShims(ctx, c)
		}
		return ErrNotRunning
	}
	if err != nil && sig == unix.SIGKILL && len(st.Containers) == 1 {
		h.log.Warn("the guest does not take the signal: ending its VM", "id", id, "error", err)
		return st.VM.Process.Kill(ctx)
	}
	return err
}

// EndVM ends the VM that a container is in, whatever its guest says, unless there
// is another container in it that has not stopped and that going does not say
// may end, too. A VM that has ended is no error.
func (h *Host) EndVM(ctx context.Context, id string, going func(id string) bool) error {
	_, st, _, err := h.load(id)
	if err != nil {
		return err
	}
	for _, c := range st.Containers {
		if !c.Infra && c.ID != id && !going(c.ID) && c.status() != container.Stopped {
			return fmt.Errorf("sandbox %s: container %s runs in its VM: stop that, too", st.ID, c.ID)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	return st.VM.Process.Kill(ctx)
}

func (h *Host) signal(ctx context.Context, st *State, c *Container, sig unix.Signal, all bool) error {
	agent, err := h.connect(ctx, st)
	if err != nil {
		return fmt.Errorf("kill container %s: %w", c.ID, err)
	}
	defer agent.Close()
	err = callFor(ctx, killTimeout, func(ctx context.Context) error {
		_, err := agent.SignalProcess(ctx, &agentpb.SignalProcessRequest{ContainerId: c.ID, Signal: uint32(sig), All: all})
		return err
	})
	switch {
	case err == nil:
		return nil
	case guestCode(err) == call.FailedPrecondition || guestCode(err) == call.NotFound:
		return ErrNotRunning // it ended just now
	}
	return fmt.Errorf("kill container %s: %w", c.ID, err)
}
