package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/internal/undo"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
)

// join creates a further container in a pod's sandbox.
func (h *Host) join(ctx context.Context, req *CreateRequest, sandboxID string) (_ *container.Shim, err error) {
	if err := validID(sandboxID); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	dir, err := h.store.Sandbox(sandboxID)
	if err != nil {
		return nil, err
	}
	st := new(State)
	if err := dir.Read(st); err != nil {
		return nil, err
	}
	if !st.VM.Process.Alive() {
		return nil, fmt.Errorf("sandbox %s: its virtual machine has ended: delete the pod", sandboxID)
	}
	if err := st.admit(req.Bundle.Spec); err != nil {
		return nil, err
	}
	var c *Container
	var done undo.List
	defer func() {
		if err == nil {
			return
		}
		failed := done.Run()
		if failed == nil {
			h.afterFailure(ctx, c)
		}
		err = errors.Join(err, failed)
	}()
	if err := dir.Claim(req.ID); err != nil {
		return nil, err
	}
	done.Add("release the id", func() error { return dir.Release(req.ID) })
	if c, err = newContainer(req, oci.Member); err != nil {
		return nil, err
	}
	if c.Cgroup, err = h.planCgroup(c); err != nil {
		return nil, err
	}
	err = dir.Update(st, func() error {
		if err := st.complete(); err != nil {
			return err
		}
		if c.PIDs, err = st.pidsOf(req.Bundle.Spec); err != nil {
			return err
		}
		st.adopt(c)
		st.placeEmptyDirs(h.log, c)
		st.Containers[c.ID] = c
		return nil
	})
	if err != nil {
		return nil, err
	}
	done.Add("forget the container", func() error {
		return dir.Update(st, func() error { delete(st.Containers, c.ID); return nil })
	})
	// From now on: another container that leaves a volume to this one leaves its
	// disk to it, too.
	done.Add("drop volumes", func() error { return h.dropVolumes(context.Background(), dir, c) })
	shim, err := h.startShim(ctx, dir, st, req.shim(c))
	if err != nil {
		return nil, err
	}
	done.Add("end shim", shim.Abandon)
	if err := c.stands(st, shim); err != nil {
		return nil, err
	}
	if err := h.joinCgroup(c); err != nil {
		return nil, err
	}
	done.Add("remove cgroup", func() error { return c.Cgroup.Remove(context.Background(), true) })
	if err := h.createHooks(ctx, st, c); err != nil {
		return nil, err
	}
	done.Add("unshare the container", func() error { return unshareContainer(dir, c) })
	document, err := h.shareContainer(dir, c, req.Bundle, oci.Member)
	if err != nil {
		return nil, err
	}
	done.Add("unplug disks", func() error { return h.unplugDisks(context.Background(), st, c.Disks) })
	if err := h.plugDisks(ctx, st, c.Disks); err != nil {
		return nil, err
	}
	if err := errors.Join(useVolumes(dir, c), h.plugDisks(ctx, st, st.own(c))); err != nil {
		return nil, err
	}
	a, err := h.connect(ctx, st)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if err := h.canJoinPIDs(ctx, st, c); err != nil {
		return nil, err
	}
	h.warnOfLimits(c.ID, req.Bundle.Spec.Linux.Resources)
	if err := h.growFor(ctx, st, c, a); err != nil {
		return nil, err
	}
	// Before the call: when it is not answered, nobody here knows whether there is
	// a container.
	done.Add("remove the container in the guest", func() error {
		return h.takeBack(st.ID, func(ctx context.Context, a *agent) error {
			_, err := a.RemoveContainer(ctx, &agentpb.ContainerRequest{ContainerId: c.ID})
			return err
		})
	})
	err = a.call(ctx, func(ctx context.Context) error {
		_, err := a.CreateContainer(ctx, &agentpb.CreateContainerRequest{
			ContainerId: c.ID, OciSpec: document, Devices: guestDevices(c.Disks), Storages: append(c.storages(), c.rootStorage()), HugePages: hugePages(c.HugePages),
			SharePid: c.PIDs == ofSandbox, PidOf: c.PIDs.container(),
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("unable to start container process: %w", err)
	}
	h.scoreVM(st)
	if err := req.Publish(c.PID); err != nil {
		return nil, err
	}
	err = h.change(dir, c.ID, func(disk *Container) {
		c.Creator = proc.Handle{}
		*disk = *c
	})
	if err != nil {
		return nil, err
	}
	return shim, shim.Release()
}

// complete tells whether the sandbox's own container is there, so that others can
// join it: who makes that one would write the state without them in the end.
func (st *State) complete() error {
	first := st.Containers[st.ID]
	switch {
	case first != nil && first.Creator.PID == 0:
		return nil
	case first != nil && first.status() == container.Creating:
		return fmt.Errorf("sandbox %s is still being created: try again when that is done", st.ID)
	}
	return fmt.Errorf("sandbox %s: its creation was cut off: delete the pod", st.ID)
}

func (h *Host) planCgroup(c *Container) (*resources.Group, error) {
	path, err := resources.ContainerPath(c.Spec.CgroupsPath, c.ID, h.settings.SystemdCgroup)
	if err != nil {
		return nil, err
	}
	return resources.Plan(path, h.settings.SystemdCgroup)
}

// joinCgroup makes the planned cgroup and puts the shim into it.
func (h *Host) joinCgroup(c *Container) error {
	if c.Shim.PID == 0 && h.settings.SystemdCgroup {
		return nil // systemd makes no scope without a process, and there is none to put in
	}
	group, warnings, err := resources.Create(c.Cgroup.Path, h.settings.SystemdCgroup, c.pids()...)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		h.log.Debug("cgroup: "+w, "id", c.ID)
	}
	c.Cgroup = group
	return nil
}
