package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// follows tells whether a process shall follow the network of the sandbox that
// a container begins. That of a pod is made before it, and stays.
func (h *Host) follows(dir *state.Dir, st *State, c *Container) bool {
	return len(h.command) > 0 && !st.Network.Fixed && !c.Infra && c.ID == dir.ID() && len(st.Network.NICs) > 0
}

// help starts the process that serves the guest out of its network namespace,
// if there is anything to do: it answers lookups by the namespace's name
// servers, and brings changes of the network to the guest. changes is a
// socket that tells of them; nil if nobody is to follow.
func (h *Host) help(ctx context.Context, dir *state.Dir, st *State, servers []string, changes *os.File) error {
	if len(servers) == 0 && changes == nil {
		return nil
	}
	spec := &container.HelperSpec{Path: st.ShimPath, Agent: st.Agent, Dir: dir.Path, Servers: servers}
	if changes != nil {
		vm, err := st.VM.Process.Pidfd()
		if err != nil {
			return err
		}
		defer vm.Close()
		spec.Changes, spec.VM, spec.OwnLinks = changes, vm, nicPrefix
		spec.OnChange = append(slices.Clone(h.command), "kata-network", "sync", dir.ID())
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	handle, err := spec.Start(ctx, st.start)
	if err != nil {
		return fmt.Errorf("name servers %q: %w", servers, err)
	}
	st.Helper, st.Lent = handle, len(servers) > 0
	disk := new(State)
	return dir.Update(disk, func() error { disk.Helper, disk.Lent = handle, st.Lent; return nil })
}

// enterNetwork brings a container that starts to its network: interfaces that came into
// the namespace since create reach the guest, and those that come later will.
func (h *Host) enterNetwork(ctx context.Context, dir *state.Dir, st *State, c *Container, a *agent) error {
	unlock, err := dir.Hold(networkLock)
	if err != nil {
		return err
	}
	defer unlock()
	// Somebody else may have changed it before we had the lock.
	now := new(State)
	if err := dir.Read(now); err != nil {
		return err
	}
	st.Network, st.Helper, st.Lent = now.Network, now.Helper, now.Lent
	if err := h.updateNetwork(ctx, dir, st, a); err != nil {
		return err
	}
	if st.Network.Namespace == "" || st.Helper.Alive() {
		return nil
	}
	servers, err := c.nameServers()
	if err != nil {
		return err
	}
	var changes *os.File
	if h.follows(dir, st, c) {
		ns, err := network.OpenNamespace(st.Network.Namespace)
		if err != nil {
			return err
		}
		defer ns.Close()
		if changes, err = network.Subscribe(ns); err != nil {
			return err
		}
		defer changes.Close()
		// What came after the look above and before the subscription.
		if err := h.updateNetwork(ctx, dir, st, a); err != nil {
			return err
		}
	}
	return h.help(ctx, dir, st, servers, changes)
}

// lendLater replaces a helper by one that lends name servers besides, if the
// container's resolv.conf names some by now: Docker writes its own there when
// a container is connected to its first network of the user's.
func (h *Host) lendLater(ctx context.Context, dir *state.Dir, st *State, c *Container, ns *network.Namespace) error {
	if st.Lent || !st.Helper.Alive() {
		return nil
	}
	servers, err := c.nameServers()
	if err != nil || len(servers) == 0 {
		return err
	}
	var changes *os.File
	if h.follows(dir, st, c) {
		if changes, err = network.Subscribe(ns); err != nil {
			return err
		}
		defer changes.Close()
	}
	old := st.Helper
	return errors.Join(h.help(ctx, dir, st, servers, changes), endHelper(ctx, old))
}

func endHelper(ctx context.Context, helper proc.Handle) error {
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	return helper.Kill(ctx)
}
