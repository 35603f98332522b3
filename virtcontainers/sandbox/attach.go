package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// Attach begins to stand for a process of the guest, which exists now: its
// streams and its end. A caller that lives as long as its containers (the
// shimv2 service) gives one in place of a shim per process, and says by Ended
// when a container's init has ended. execID is empty for the init; agent is
// the agent's address.
type Attach func(agent, execID string) error

// stands records who stands for the container's init process.
func (c *Container) stands(st *State, shim *container.Shim) (err error) {
	c.Shim, c.PID = shim.Handle, shim.Handle.PID
	if c.Shim.PID == 0 {
		c.PID = st.Proxy.PID
		c.Service, err = proc.Of(os.Getpid())
	}
	return err
}

// pids are the processes on the host that are the container's own.
func (c *Container) pids() []int {
	if c.Shim.PID == 0 {
		return nil
	}
	return []int{c.Shim.PID}
}

// Ended records that the init process of a container has ended; for the
// service that stands for it. The container is stopped from then on.
func (h *Host) Ended(id string) error {
	dir, _, _, err := h.load(id)
	if err != nil {
		return err
	}
	return h.change(dir, id, func(c *Container) { c.Ended = true })
}

// SignalExec sends a signal to a further process of a container, by the id
// that its Attach got. An empty one is refused: in the guest it is the init's.
func (h *Host) SignalExec(ctx context.Context, id, execID string, sig unix.Signal) error {
	if execID == "" {
		return errNoExec(id)
	}
	_, err := h.inGuest(ctx, id, container.Kill, func(ctx context.Context, a *agent) error {
		_, err := a.SignalProcess(ctx, &agentpb.SignalProcessRequest{ContainerId: id, ExecId: execID, Signal: uint32(sig)})
		return err
	})
	if code := guestCode(err); code == call.NotFound || code == call.FailedPrecondition {
		return errors.Join(ErrEnded, err)
	}
	return err
}

// ErrEnded is the answer to signalling a process that has ended.
var ErrEnded = errors.New("process has ended")

// errNoExec is the answer where a further process is meant and none is named.
func errNoExec(id string) error {
	return fmt.Errorf("container %s: no process is named", id)
}

// Resize gives the terminal of a container's init another size, in characters.
func (h *Host) Resize(ctx context.Context, id string, rows, columns uint32) error {
	return h.resize(ctx, &agentpb.ResizeTTYRequest{ContainerId: id, Rows: rows, Columns: columns})
}

// ResizeExec gives the terminal of a further process another size, in characters,
// by the id that its Attach got. An empty one is refused.
func (h *Host) ResizeExec(ctx context.Context, id, execID string, rows, columns uint32) error {
	if execID == "" {
		return errNoExec(id)
	}
	return h.resize(ctx, &agentpb.ResizeTTYRequest{ContainerId: id, ExecId: execID, Rows: rows, Columns: columns})
}

func (h *Host) resize(ctx context.Context, req *agentpb.ResizeTTYRequest) error {
	_, err := h.inGuest(ctx, req.ContainerId, container.Resize, func(ctx context.Context, a *agent) error {
		_, err := a.ResizeTTY(ctx, req)
		return err
	})
	return err
}
