package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// Cgroups are the host cgroups that were made for a sandbox: the container's,
// in which its shim is (engines read statistics there), and the one of the VM
// and its helpers.
type Cgroups struct {
	Container *resources.Group `json:"container,omitempty"`
	Sandbox   *resources.Group `json:"sandbox,omitempty"`
}

// plan notes which cgroups will be made, for the state. pod tells that c is a
// pod's infra container.
func (g *Cgroups) plan(settings *Settings, st *State, c *Container, pod bool) error {
	path, err := resources.ContainerPath(c.Spec.CgroupsPath, c.ID, settings.SystemdCgroup)
	if err != nil {
		return err
	}
	if g.Container, err = resources.Plan(path, settings.SystemdCgroup); err != nil {
		return err
	}
	g.Sandbox, err = settings.Cgroups.PlanSandbox(g.Container, st.ID, pod)
	return err
}

// payer is the group that the VM's memory counts for; nil for a VM that has none.
func (g *Cgroups) payer() *resources.Group {
	if g.Sandbox != nil {
		return g.Sandbox
	}
	return g.Container
}

// place puts the sandbox's processes into the planned cgroups, and makes those
// that are not there yet.
func (g *Cgroups) place(log *slog.Logger, st *State, c *Container) error {
	if err := fill(log, g.Container, st.ID, c.PID); err != nil {
		return err
	}
	var pids []int
	for _, p := range []proc.Handle{st.VM.Process, st.ShareDaemon, st.Proxy} {
		if p.PID != 0 {
			pids = append(pids, p.PID)
		}
	}
	if g.Sandbox != nil {
		return fill(log, g.Sandbox, st.ID, pids...)
	}
	var err error
	g.Sandbox, err = g.Container.Below(pids...)
	return err
}

// fill places processes in a group, which it makes if that is only planned.
func fill(log *slog.Logger, g *resources.Group, id string, pids ...int) error {
	if !g.Planned {
		return g.Place(pids...)
	}
	warnings, err := g.Make(pids...)
	debugCgroup(log, id, warnings)
	return err
}

func debugCgroup(log *slog.Logger, id string, warnings []string) {
	for _, w := range warnings {
		log.Debug("cgroup: "+w, "id", id)
	}
}

// limit sets what of a new container's limits the host has to enforce, on the
// cgroup that its VM is in. Memory is not among it: the VM has its size.
func (h *Host) limit(st *State, c *Container) error {
	if st.Cgroups.Container == nil {
		return nil
	}
	warnings, err := st.Cgroups.Container.Limit(c.Spec.Resources)
	h.warnOfCgroup(c, warnings)
	return err
}

// relimit is limit for an update. undo, never nil, brings back what held before.
func (h *Host) relimit(st *State, c *Container, r *specs.LinuxResources) (undo func() error, err error) {
	if st.Cgroups.Container == nil {
		return func() error { return nil }, nil
	}
	warnings, undo, err := st.Cgroups.Container.Relimit(r)
	h.warnOfCgroup(c, warnings)
	return undo, err
}

func (h *Host) warnOfCgroup(c *Container, warnings []string) {
	for _, w := range warnings {
		h.log.Warn("cgroup: "+w, "id", c.ID)
	}
}

// remove deletes what place made; its processes have ended, but for one that the
// creator was just starting when it was killed.
func (g *Cgroups) remove(ctx context.Context, dir *state.Dir) error {
	var errs []error
	for _, group := range []*resources.Group{g.Sandbox, g.Container} {
		if group == nil {
			continue
		}
		err := endOwn(ctx, group, dir)
		if err == nil {
			err = group.Remove(ctx, true)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

const (
	// unmarkedTimeout is how long a process may take from its fork to its exec, by which
	// it gets the sandbox's mark; no event tells of that. Measured: some milliseconds.
	unmarkedTimeout = time.Second
	unmarkedPause   = 5 * time.Millisecond
)

// endOwn ends the sandbox's own processes in a group that is only planned: another
// container may have made it, and be in it.
func endOwn(ctx context.Context, group *resources.Group, dir *state.Dir) error {
	if !group.Planned {
		return nil
	}
	over := time.After(unmarkedTimeout)
	for {
		inside, err := group.Inside()
		if err != nil {
			return err
		}
		marked, err := proc.Marked(dir.Path)
		if err != nil {
			return err
		}
		for _, h := range marked {
			if slices.Contains(inside, h.PID) {
				if err := h.Kill(ctx); err != nil {
					return err
				}
			}
		}
		if !slices.ContainsFunc(inside, forked) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return nil // another creation's
		case <-time.After(unmarkedPause):
		}
	}
}

// forked tells whether a process still runs this program: one that a killed creator
// was just starting does, and so does one that is creating another container.
func forked(pid int) bool {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return false
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && own == theirs && pid != os.Getpid()
}

// warnOfLimits names the limits of one container among several of a VM that hold
// nowhere: its processes run on the VM's CPUs and disks.
func (h *Host) warnOfLimits(id string, r *specs.LinuxResources) {
	for _, name := range resources.HostOnly(r) {
		h.log.Warn("a container that shares its VM with others cannot have this limit: give it to the pod, or a VM of its own", "id", id, "limit", name)
	}
}

// removeCgroup deletes a member's cgroup with what is in it. Of one that is only
// planned, these are the sandbox's own: its creator may have been killed before
// it noted them.
func (c *Container) removeCgroup(ctx context.Context, dir *state.Dir) error {
	if c.Cgroup == nil {
		return nil
	}
	if err := endOwn(ctx, c.Cgroup, dir); err != nil {
		return err
	}
	return c.Cgroup.Remove(ctx, true)
}
