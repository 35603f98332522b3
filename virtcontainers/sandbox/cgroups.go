package sandbox

import (
	"context"
	"errors"
	"log/slog"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
)

// Cgroups are the host cgroups that were made for a sandbox: the container's,
// in which its shim is (engines read statistics there), and the one of the VM
// and its helpers.
type Cgroups struct {
	Container *resources.Group `json:"container,omitempty"`
	Sandbox   *resources.Group `json:"sandbox,omitempty"`
}

// place makes the cgroups and puts the sandbox's processes into them. pod tells
// that c is a pod's infra container.
func (g *Cgroups) place(settings *Settings, log *slog.Logger, st *State, c *Container, spec *specs.Spec, pod bool) error {
	path, err := resources.ContainerPath(spec.Linux.CgroupsPath, c.ID, settings.SystemdCgroup)
	if err != nil {
		return err
	}
	var warnings, more []string
	if g.Container, warnings, err = resources.Create(path, settings.SystemdCgroup, c.Shim.PID); err != nil {
		return err
	}
	var pids []int
	for _, p := range []proc.Handle{st.VM.Process, st.ShareDaemon, st.Proxy} {
		if p.PID != 0 {
			pids = append(pids, p.PID)
		}
	}
	g.Sandbox, more, err = settings.Cgroups.CreateSandbox(g.Container, st.ID, pod, pids...)
	for _, w := range append(warnings, more...) {
		log.Debug("cgroup: "+w, "id", c.ID)
	}
	return err
}

// remove deletes what place made; its processes have ended.
func (g *Cgroups) remove(ctx context.Context) error {
	var errs []error
	for _, group := range []*resources.Group{g.Sandbox, g.Container} {
		if group != nil {
			errs = append(errs, group.Remove(ctx, true))
		}
	}
	return errors.Join(errs...)
}
