package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// CreateRequest describes a container to be created.
type CreateRequest struct {
	ID     string
	Bundle *oci.Bundle
	// Console is the socket that gets the terminal's master; empty for none.
	Console string
	Stdio   container.Stdio
	// Publish tells the engine the shim's pid, when all else has succeeded.
	Publish func(pid int) error
	// Attach, if not nil, replaces the shim: Console and Stdio are not used.
	Attach Attach
}

// Create makes a container, with a sandbox of its own or in the one that its
// annotations name. Its process waits in the guest for Start. After an error
// nothing is left.
func (h *Host) Create(ctx context.Context, req *CreateRequest) (*container.Shim, error) {
	if err := validID(req.ID); err != nil {
		return nil, err
	}
	role, sandboxID, err := oci.RoleOf(req.Bundle.Spec)
	if err != nil {
		return nil, err
	}
	if err := checkNamespaces(req.Bundle.Spec); err != nil {
		return nil, err
	}
	end, err := h.guard(req)
	if err != nil {
		return nil, err
	}
	defer end()
	if role == oci.Member {
		return h.join(ctx, req, sandboxID)
	}
	if err := hypervisor.Validate(h.settings.Hypervisor); err != nil {
		return nil, err
	}
	path, hostNetwork := oci.NetworkNamespace(req.Bundle.Spec)
	if path != "" {
		if hostNetwork, err = network.IsHost(path); err != nil {
			return nil, err
		}
	}
	if hostNetwork && !h.settings.Network.DisableNewNetNS {
		return nil, errHostNetwork
	}
	if path != "" && !hostNetwork {
		switch owner, err := h.ownerOf(path, role); {
		case err != nil:
			return nil, err
		case owner != "":
			return h.join(ctx, req, owner)
		}
	}
	if role == oci.Single {
		if err := checkNames(req.Bundle.Spec); err != nil {
			return nil, err
		}
	}
	dir, err := h.store.Create(req.ID, req.ID)
	if err != nil {
		return nil, err
	}
	c, err := newContainer(req, role)
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	cr := &creation{
		host: h, req: req, role: role, dir: dir, container: c,
		st: &State{ID: req.ID, ShimPath: h.settings.Shim.Path, Containers: map[string]*Container{req.ID: c}},
	}
	cr.st.placeEmptyDirs(h.log, c)
	shim, err := cr.run(ctx, path)
	if err != nil {
		err = cr.explain(ctx, err)
		cr.close()
		return nil, errors.Join(err, cr.undo(ctx))
	}
	return shim, nil
}

// explain finds the cause of a failed step: whatever failed because QEMU or a
// helper has ended, its own words say why.
func (cr *creation) explain(ctx context.Context, err error) error {
	var launch *hypervisor.LaunchError
	switch {
	case cr.boot == nil || cr.boot.vm == nil || errors.As(err, &launch):
		return err
	case cr.boot.vm.Alive():
		return cr.boot.blame(err)
	}
	return cr.boot.failure(ctx, cr.boot.vm.ExitError())
}

var errHostNetwork = errors.New("the host's network namespace cannot be shared with a VM: " +
	"leave out --net=host (publish ports instead), or run this container with runc")

// newContainer is the entry of a container that this process is creating.
func newContainer(req *CreateRequest, role oci.Role) (*Container, error) {
	self, err := proc.Of(os.Getpid())
	if err != nil {
		return nil, err
	}
	spec := req.Bundle.Spec
	c := &Container{
		ID: req.ID, Bundle: req.Bundle.Path, Rootfs: req.Bundle.Rootfs, Place: share.NewPlace(),
		Created: time.Now().UTC(), Owner: os.Getuid(), Creator: self,
		Spec: Spec{
			Process: spec.Process, Annotations: spec.Annotations, Hooks: spec.Hooks,
			Version: spec.Version, CgroupsPath: spec.Linux.CgroupsPath,
		},
	}
	c.ResolvConf = resolvConf(spec)
	c.Infra, c.Limits = role == oci.Infra, resources.Limits{}.With(spec.Linux.Resources)
	if c.Disks, err = disksOf(spec); err != nil {
		return nil, err
	}
	if c.Volumes, err = volumesOf(spec); err != nil {
		return nil, err
	}
	if c.EmptyDirs, err = emptyDirsOf(spec); err != nil {
		return nil, err
	}
	if err := c.wantHugePages(spec, role); err != nil {
		return nil, err
	}
	if role == oci.Single {
		c.Spec.Resources = spec.Linux.Resources
	}
	return c, nil
}

// creation is a sandbox in the making.
type creation struct {
	host      *Host
	req       *CreateRequest
	role      oci.Role
	dir       *state.Dir
	st        *State
	container *Container
	shim      *container.Shim
	boot      *boot
}

// run is the order of things: the VM starts as early as it can, and all that
// the host has to prepare happens while it boots.
func (cr *creation) run(ctx context.Context, netns string) (*container.Shim, error) {
	h, st, c := cr.host, cr.st, cr.container
	phases := NewPhases(h.log, time.Now())
	st.Cache = h.cacheDir()
	st.Network.plan(cr.dir, netns, h.settings.Network)
	if err := st.Cgroups.plan(h.settings, st, c, cr.role == oci.Infra); err != nil {
		return nil, err
	}
	if err := errors.Join(cr.save(), useVolumes(cr.dir, c)); err != nil {
		return nil, err
	}
	var err error
	if cr.boot, err = h.newBoot(cr.dir, st, cr.req.Bundle.Spec, cr.role); err != nil {
		return nil, err
	}
	defer cr.boot.letGo()
	defer cr.boot.close()
	if h.boots() {
		cr.boot.enter(st)
	}
	if err := st.Network.open(); err != nil {
		return nil, err
	}
	phases.Done("netns")
	if err := h.readyVM(ctx, cr.boot, st); err != nil {
		return nil, err
	}
	phases.Done("launch")
	if err := cr.save(); err != nil {
		return nil, err
	}

	shim := cr.req.shim(c)
	shim.forward, shim.clock = cr.role == oci.Infra, true
	cr.shim, err = h.startShim(ctx, cr.dir, st, shim)
	if err != nil {
		return nil, err
	}
	if err := c.stands(st, cr.shim); err != nil {
		return nil, err
	}
	phases.Done("shim")
	if err := cr.boot.settle(ctx, st); err != nil {
		return nil, err
	}
	// The VM may be another one by now, and so its proxy.
	if err := c.stands(st, cr.shim); err != nil {
		return nil, err
	}
	phases.Done("settle")
	if err := cr.boot.payment.settled(st); err != nil {
		return nil, err
	}
	if err := st.Cgroups.place(h.log, st, c); err != nil {
		return nil, err
	}
	cr.boot.leave() // hooks are the caller's
	h.scoreVM(st)
	if err := cr.save(); err != nil {
		return nil, err
	}
	phases.Done("cgroups")
	if err := h.createHooks(ctx, st, c); err != nil {
		return nil, err
	}
	phases.Done("hooks")
	document, err := h.shareContainer(cr.dir, c, cr.req.Bundle, cr.role)
	if err != nil {
		return nil, err
	}
	endpoints, err := st.Network.connect(cr.boot.plug(ctx, st), cr.save)
	if err != nil {
		return nil, err
	}
	h.warnOfRouting(st, endpoints)
	phases.Done("mounts and network")
	storages := c.storages()
	if cr.role != oci.Infra {
		storages = append(storages, c.rootStorage())
	}
	if err := cr.boot.createSandbox(ctx, st, phases, guestContainer{
		id: c.ID, document: document, disks: c.Disks, storages: storages, hugePages: hugePages(c.HugePages), infra: cr.role == oci.Infra, spec: cr.req.Bundle.Spec, network: endpoints,
	}); err != nil {
		return nil, err
	}
	// Not earlier: a CPU quota would hold for the boot, too.
	if err := h.limit(st, c); err != nil {
		return nil, err
	}
	if err := cr.req.Publish(c.PID); err != nil {
		return nil, err
	}
	c.Creator = proc.Handle{}
	if err := cr.save(); err != nil {
		return nil, err
	}
	err = cr.shim.Release()
	phases.Done("publish")
	return cr.shim, err
}

// save writes what is there by now, so that a kill -9 leaves it known.
func (cr *creation) save() error {
	var disk State
	return cr.dir.Update(&disk, func() error { disk = *cr.st; return nil })
}

func (cr *creation) close() {
	if cr.boot != nil {
		cr.boot.close()
	}
}

// undo takes back a creation that failed: the same teardown that delete uses
// and that cleans up after a kill -9, so there is one to get right. It goes on
// when the user interrupts.
func (cr *creation) undo(ctx context.Context) error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownTimeout)
	defer cancel()
	if cr.shim != nil {
		cr.shim.Abandon()
	}
	// No farewell: no process of the user's has run.
	switch err := cr.host.teardown(limited, cr.dir, cr.st); {
	case errors.Is(err, ErrNotExist): // another call has deleted it, and runs the hooks
	case err != nil:
		return fmt.Errorf("clean up after it: %w", err)
	default:
		cr.host.afterFailure(ctx, cr.container)
	}
	return nil
}
