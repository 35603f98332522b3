package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// Command says how this program is called for this root, without a verb: for
// processes that outlive the call. Without, nobody follows the sandboxes' networks,
// and nobody takes back what a creation leaves that is killed.
func (h *Host) Command(command ...string) { h.command = command }

// guard has another process take back what a creation leaves that is killed: its
// engine may be killed, too, or forget the container, and the VM would stay. The
// creation calls end when it is through. A service that stands for its containers
// is looked after by containerd.
func (h *Host) guard(req *CreateRequest) (end func(), err error) {
	if req.Attach != nil {
		return func() {}, nil
	}
	self, err := proc.Of(os.Getpid())
	if err != nil {
		return nil, err
	}
	return h.startGuard("delete", "--force", "--creator", self.String(), req.ID)
}

// startGuard has a verb run if this process ends before it has called end.
func (h *Host) startGuard(verb ...string) (end func(), err error) {
	if len(h.command) == 0 {
		return func() {}, nil
	}
	g, err := container.StartGuard(h.settings.Shim.Path, slices.Concat(h.command, verb))
	if err != nil {
		return nil, err
	}
	return func() {
		if err := g.End(); err != nil {
			h.log.Warn("who looks after a creation that is killed", "error", err)
		}
	}, nil
}

// DeleteAbandoned deletes what a creator has left that was killed, of a template or
// a recording that it was making, too. It does nothing to a container of that id
// that is not its own.
func (h *Host) DeleteAbandoned(ctx context.Context, id string, creator proc.Handle) error {
	_, _, c, err := h.load(id)
	switch {
	case err != nil:
		err = fmt.Errorf("what process %d has left of %s: %w", creator.PID, id, err)
	case c.Creator == creator:
		err = h.Delete(ctx, id, true)
	}
	return errors.Join(err, h.TidyFactory(ctx))
}
