package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// teardownTimeout bounds the whole of a teardown. What it waits for are ends
// of processes that got SIGKILL, and at most one call to the guest.
var teardownTimeout = 30 * time.Second

// farewellTimeout is how long a guest may take to stop its containers and to
// write back what they had not, before its VM is ended all the same: of a caller
// who has less time, a third.
const farewellTimeout = 5 * time.Second

// Delete removes a stopped container; with force also one that lives, that is
// half made, or that is not there. The sandbox goes with its first container.
// Its hooks have the time that they and ctx say.
func (h *Host) Delete(ctx context.Context, id string, force bool) error {
	c, err := h.remove(ctx, id, force)
	if errors.Is(err, errBegun) {
		return h.Delete(ctx, id, force)
	}
	if c != nil {
		h.poststop(ctx, c)
	}
	return err
}

// remove is Delete without the hooks. It answers the container if it has removed it,
// and nil if that was done already or by another call, which runs the hooks.
func (h *Host) remove(ctx context.Context, id string, force bool) (*Container, error) {
	ctx, cancel := context.WithTimeout(ctx, teardownTimeout)
	defer cancel()
	dir, st, c, err := h.load(id)
	switch {
	case errors.Is(err, ErrNotExist) && force:
		return nil, nil
	case err != nil && force && dir != nil:
		h.log.Warn("deleting a sandbox whose state cannot be read", "id", id, "error", err)
		st = &State{ID: dir.ID()}
		c = &Container{ID: id}
	case err != nil:
		return nil, err
	}
	if status := c.status(); status != container.Stopped {
		if !force {
			return nil, fmt.Errorf("cannot delete container %s that is not stopped: %s", id, status)
		}
		if status == container.Creating {
			if other := st.servedBy(c.Creator, id); other != "" {
				return nil, fmt.Errorf("cannot delete container %s: process %d is creating it, which serves container %s, too: wait until that gives the creation up, or delete the sandbox %s",
					id, c.Creator.PID, other, st.ID)
			}
			if err := c.Creator.Kill(ctx); err != nil {
				return nil, fmt.Errorf("delete container %s: end its creation: %w", id, err)
			}
			// What it did last may have come after our reading.
			_, st, c, err = h.load(id)
			if errors.Is(err, ErrNotExist) {
				return nil, nil // it was taking itself back
			}
			if err != nil {
				return nil, err
			}
		}
	}
	if id != dir.ID() {
		err = h.removeMember(ctx, dir, st, c)
	} else {
		err = h.destroy(ctx, dir, st)
	}
	switch {
	case errors.Is(err, ErrNotExist) && force:
		return nil, nil
	case errors.Is(err, ErrNotExist), errors.Is(err, errBegun):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("delete container %s: %w", id, err)
	}
	return c, nil
}

// servedBy answers another container that a process stands for, as containerd's
// shim of a pod does: ending it would take that one along.
func (st *State) servedBy(service proc.Handle, id string) string {
	for _, c := range st.Containers {
		if c.ID != id && c.Service == service {
			return c.ID
		}
	}
	return ""
}

// removeMember takes a container out of a pod that lives on.
func (h *Host) removeMember(ctx context.Context, dir *state.Dir, st *State, c *Container) error {
	if agent, err := h.connect(ctx, st); err == nil {
		err := callFor(ctx, killTimeout, func(ctx context.Context) error {
			_, err := agent.RemoveContainer(ctx, &agentpb.ContainerRequest{ContainerId: c.ID})
			return err
		})
		agent.Close()
		if err != nil {
			h.log.Warn("the guest does not remove the container", "id", c.ID, "error", err)
		}
	}
	if err := errors.Join(h.endShims(ctx, c), container.Forget(dir.Path, c.ID)); err != nil {
		return err
	}
	if err := h.unplugDisks(ctx, st, c.Disks); err != nil {
		h.log.Warn("the guest keeps a disk of the container", "id", c.ID, "error", err)
	}
	if err := h.dropVolumes(ctx, dir, c); err != nil {
		h.log.Warn("the guest keeps a volume of the container", "id", c.ID, "error", err)
	}
	if err := unshareContainer(dir, c); err != nil {
		return err
	}
	if err := c.removeCgroup(ctx, dir); err != nil {
		return err
	}
	err := dir.Update(st, func() error {
		delete(st.Containers, c.ID)
		return nil
	})
	if errors.Is(err, ErrNotExist) && dir.Has(c.ID) {
		// The sandbox has gone, and who removed it was killed before it came to this.
		return dir.Release(c.ID)
	}
	if err != nil {
		return err
	}
	h.shrink(ctx, dir)
	h.scoreVM(st)
	return dir.Release(c.ID)
}

func (h *Host) endShims(ctx context.Context, c *Container) error {
	var errs []error
	for _, shim := range append(values(c.Execs), c.Shim) {
		errs = append(errs, shim.Kill(ctx))
	}
	return errors.Join(errs...)
}

// errBegun is the answer about a sandbox that was being made when nothing was
// known of it yet.
var errBegun = errors.New("its creation has begun meanwhile")

// destroy ends a sandbox in good order, as far as its guest takes part, with
// what has joined it since st was read. ErrNotExist if it is another one by now.
func (h *Host) destroy(ctx context.Context, dir *state.Dir, st *State) error {
	if st.VM.Process.Alive() {
		h.farewell(ctx, st)
	}
	return dir.Exclusive(func() error {
		now := new(State)
		if err := dir.Read(now); err != nil {
			now = st // none is written, or it cannot be read
		} else if first := now.Containers[now.ID]; st.Containers[st.ID] == nil && first != nil && first.Creator.Alive() {
			return errBegun
		} else if !st.same(now) {
			return ErrNotExist
		}
		return h.clear(ctx, dir, now)
	})
}

// same tells whether a later reading is of the same sandbox, and not of one that
// has got its id since.
func (st *State) same(now *State) bool {
	first, then := st.Containers[st.ID], now.Containers[now.ID]
	if first == nil || then == nil {
		return first == then
	}
	return first.Created.Equal(then.Created)
}

// teardown removes all that there may be of a sandbox, whatever its state: it
// is the undo of every step of a creation, the end of each sandbox, and the
// cleaner after a kill -9. Nothing that is gone already is an error; but if
// another call took it all away in the meantime, the answer is ErrNotExist.
func (h *Host) teardown(ctx context.Context, dir *state.Dir, st *State) error {
	return dir.Exclusive(func() error { return h.clear(ctx, dir, st) })
}

func (h *Host) clear(ctx context.Context, dir *state.Dir, st *State) error {
	handles := []proc.Handle{st.VM.Process, st.Proxy, st.ShareDaemon, st.Helper}
	for _, c := range st.Containers {
		handles = append(append(handles, values(c.Execs)...), c.Shim)
	}
	var known error
	var ended sync.WaitGroup
	ended.Go(func() { known = endAll(ctx, handles) })
	// Meanwhile: it looks at each process of the host.
	left, err := proc.Marked(dir.Path)
	ended.Wait()
	if err := errors.Join(known, err); err != nil {
		return err
	}
	if err := endAll(ctx, left); err != nil {
		return err
	}
	if err := endOrigin(ctx, h.log, dir, st); err != nil {
		return err
	}
	// Each of these is tried even if another fails, but the folder goes only
	// when nothing is mounted in it any more.
	err = errors.Join(
		unshare(dir),
		st.Network.remove(dir),
		st.removeCgroups(ctx, dir),
		st.forgetVolumes(dir),
	)
	if err != nil {
		return err
	}
	return dir.Remove()
}

// unshare takes the shared folder away, if there is one yet.
func unshare(dir *state.Dir) error {
	folder, err := share.Open(sharedPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return folder.Remove()
}

func (st *State) removeCgroups(ctx context.Context, dir *state.Dir) error {
	errs := []error{st.Cgroups.remove(ctx, dir)}
	for _, c := range st.Containers {
		errs = append(errs, c.removeCgroup(ctx, dir))
	}
	return errors.Join(errs...)
}

// farewell asks the guest to end its containers and to write its disks back, then
// waits for the shims to tell the engine how they ended.
func (h *Host) farewell(ctx context.Context, st *State) {
	limit := farewellTimeout
	if end, bounded := ctx.Deadline(); bounded {
		limit = min(limit, time.Until(end)/3)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	agent, err := h.connect(ctx, st)
	if err != nil {
		h.log.Debug("the guest takes no farewell", "sandbox", st.ID, "error", err)
		return
	}
	defer agent.Close()
	err = callFor(ctx, farewellTimeout, func(ctx context.Context) error {
		_, err := agent.DestroySandbox(ctx, &agentpb.DestroySandboxRequest{VmEnds: true})
		return err
	})
	if err != nil {
		h.log.Debug("the guest takes no farewell", "sandbox", st.ID, "error", err)
		return
	}
	for _, c := range st.Containers {
		if c.Started {
			c.Shim.Wait(ctx) // out of time: it is ended with the rest
		}
	}
}

// endAll ends processes at the same time and waits until all are gone.
func endAll(ctx context.Context, handles []proc.Handle) error {
	errs := make([]error, len(handles))
	var wg sync.WaitGroup
	for i, handle := range handles {
		wg.Go(func() { errs[i] = handle.Kill(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
