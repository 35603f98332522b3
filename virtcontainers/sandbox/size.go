package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// ErrNoResources is the answer to a limit that the VM cannot grow to.
var ErrNoResources = errors.New("the virtual machine cannot grow that far")

// Sizing is by what a sandbox's VM got its size and gets more.
type Sizing struct {
	Defaults resources.Defaults `json:"defaults"`
	// Static: the VM keeps the size that it has.
	Static bool `json:"static,omitempty"`
	// Elastic: its memory can shrink, too.
	Elastic bool `json:"elastic,omitempty"`
}

// sizing answers by what a new sandbox is sized.
func (s *Settings) sizing() (Sizing, error) {
	config := s.Hypervisor
	host, err := resources.Host()
	if err != nil {
		return Sizing{}, err
	}
	d := resources.Defaults{VCPUs: host.VCPUs, MaxVCPUs: host.VCPUs, MemoryMiB: uint64(config.DefaultMemory), MaxMemoryMiB: host.MemoryMiB}
	if n := config.DefaultVCPUs; n >= 0 {
		d.VCPUs = min(uint32(n), host.VCPUs)
	}
	if n := config.DefaultMaxVCPUs; n > 0 {
		d.MaxVCPUs = min(n, host.VCPUs)
	}
	if n := config.DefaultMaxMemory; n > 0 {
		d.MaxMemoryMiB = min(n, host.MemoryMiB)
	}
	d, err = d.Filled()
	return Sizing{Defaults: d, Static: s.Cgroups.StaticSandboxResourceMgmt, Elastic: config.EnableVirtioMem}, err
}

// bootSize answers what a new sandbox's VM begins with: the limits of its only
// container, or those that the engine announces for a pod; and hugePages bytes.
func (s Sizing) bootSize(spec *specs.Spec, role oci.Role, hugePages uint64) (resources.Size, error) {
	limits := spec.Linux.Resources
	if role == oci.Infra {
		var err error
		if limits, err = oci.PodResources(spec); err != nil {
			return resources.Size{}, err
		}
	}
	l := resources.Limits{}.With(limits)
	l.HugePages = hugePages
	return resources.VMSize(s.Defaults, l)
}

// apply gives a VM its size at boot, and room for what it may get.
func (s Sizing) apply(size resources.Size, vm *hypervisor.Spec) {
	vm.VCPUs, vm.MemoryMiB = size.VCPUs, size.MemoryMiB
	vm.MaxVCPUs, vm.MaxMemoryMiB = s.Defaults.MaxVCPUs, s.Defaults.MaxMemoryMiB
	if s.Static {
		vm.MaxVCPUs, vm.MaxMemoryMiB = size.VCPUs, size.MemoryMiB
	}
}

// size answers what the VM shall have for the containers that it holds. A
// pod's infra container counts for nothing: it has no process.
func (st *State) size() (resources.Size, error) {
	var limits []resources.Limits
	for _, id := range slices.Sorted(maps.Keys(st.Containers)) {
		if c := st.Containers[id]; !c.Infra {
			limits = append(limits, c.Limits)
		}
	}
	return resources.VMSize(st.Sizing.Defaults, limits...)
}

// growFor gives the VM what a container needs that joins it. What the VM cannot
// have is a warning: with runc, too, a limit may be beyond what the host has.
func (h *Host) growFor(ctx context.Context, st *State, c *Container, a *agent) error {
	if st.Sizing.Static {
		return nil
	}
	size, err := st.size()
	if err != nil {
		return err
	}
	for _, note := range size.Notes {
		h.log.Warn(note, "id", c.ID)
	}
	err = grow(ctx, st, size, a, true)
	if cannotGrow(err) {
		h.log.Warn("the pod's VM keeps its size, or does not grow as far as it should: the container may not be able to use its limits to the full", "id", c.ID, "cause", err)
		return nil
	}
	return err
}

// growBy gives the VM what a container needs whose limits r changes, and keeps
// those. ErrNoResources, and nothing is changed, if the VM can never have it;
// back takes the change of limits back.
func (h *Host) growBy(ctx context.Context, dir *state.Dir, id string, r *specs.LinuxResources, a *agent) (back func() error, err error) {
	st := new(State)
	var size resources.Size
	var was resources.Limits
	// Written first: of two updates at once, the later sees both.
	err = dir.Update(st, func() error {
		c := st.Containers[id]
		if c == nil {
			return ErrNotExist
		}
		old, err := st.size()
		if err != nil {
			return err
		}
		was, c.Limits = c.Limits, c.Limits.With(r)
		if size, err = st.size(); err != nil || st.Sizing.Static {
			return err
		}
		return st.within(size, old)
	})
	if err != nil {
		return nil, err
	}
	back = func() error { return h.change(dir, id, func(c *Container) { c.Limits = was }) }
	if st.Sizing.Static {
		return back, nil
	}
	err = grow(ctx, st, size, a, false)
	if cannotGrow(err) {
		err = fmt.Errorf("%w: %w", ErrNoResources, err)
	}
	if err != nil {
		return nil, errors.Join(err, back())
	}
	return back, nil
}

// within tells whether a size that an update asks for is one that the VM may
// have, or no more beyond that than it was before.
func (st *State) within(size, was resources.Size) error {
	if size.WantedMemoryMiB > max(size.MemoryMiB, was.WantedMemoryMiB) {
		return fmt.Errorf("%w: %d MiB are wanted for it, default_maxmemory or the host's memory is %d MiB",
			ErrNoResources, size.WantedMemoryMiB, st.Sizing.Defaults.MaxMemoryMiB)
	}
	if size.WantedVCPUs > max(uint64(size.VCPUs), was.WantedVCPUs) {
		return fmt.Errorf("%w: %d CPUs are wanted for it, default_maxvcpus or the host's number of CPUs is %d",
			ErrNoResources, size.WantedVCPUs, st.Sizing.Defaults.MaxVCPUs)
	}
	return nil
}

// cannotGrow tells whether an error says that the VM can never have what it lacks.
func cannotGrow(err error) bool {
	return errors.Is(err, hypervisor.ErrNoHotplug) || errors.Is(err, hypervisor.ErrNoRoom)
}

// grow plugs what the VM lacks to a size and has the guest take it into use;
// with most it goes on with CPUs where there is no room for memory. Two that
// grow the same VM wait for each other: QEMU serves one monitor at a time.
func grow(ctx context.Context, st *State, size resources.Size, a *agent, most bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	monitor, err := st.VM.Monitor(ctx)
	if err != nil {
		return err
	}
	defer monitor.Close()
	return inTurn(most,
		func() error { return growMemory(ctx, monitor, size.MemoryMiB, a) },
		func() error { return growCPUs(ctx, monitor, size.VCPUs, a) })
}

// inTurn takes each step after those that did not fail, or with most could not
// be done. A failure counts more than what cannot be done.
func inTurn(most bool, steps ...func() error) error {
	var cannot error
	for _, step := range steps {
		switch err := step(); {
		case err == nil:
		case !most || !cannotGrow(err):
			return err
		case cannot == nil:
			cannot = err
		default:
			cannot = fmt.Errorf("%w; %w", cannot, err)
		}
	}
	return cannot
}

func growCPUs(ctx context.Context, monitor *hypervisor.Monitor, want uint32, a *agent) error {
	present, _, err := monitor.CPUs(ctx)
	if err != nil || present >= want {
		return err
	}
	added, err := monitor.HotplugCPUs(ctx, want-present)
	if err != nil {
		return err
	}
	err = a.call(ctx, func(ctx context.Context) error {
		_, err := a.OnlineResources(ctx, &agentpb.OnlineResourcesRequest{Cpus: present + added})
		return err
	})
	if err == nil && present+added < want {
		err = fmt.Errorf("%w for more than %d CPUs", hypervisor.ErrNoRoom, present+added)
	}
	return err
}

// shrink takes memory from a VM that its containers have no room for any more,
// where that can be: the guest gives it back when it can spare it. The limits
// hold in any case, so a failure is a warning.
func (h *Host) shrink(ctx context.Context, dir *state.Dir) {
	st := new(State)
	if err := dir.Read(st); err != nil || !st.Sizing.Elastic || st.Sizing.Static {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := func() error {
		monitor, err := st.VM.Monitor(ctx)
		if err != nil {
			return err
		}
		defer monitor.Close()
		// Again: another call may have grown it while this one waited.
		if err := dir.Read(st); err != nil {
			return err
		}
		size, err := st.size()
		if err != nil {
			return err
		}
		base, plugged, err := monitor.Memory(ctx)
		if err != nil || plugged == 0 || base+plugged <= size.MemoryMiB {
			return err
		}
		return monitor.SetMemory(ctx, size.MemoryMiB-min(base, size.MemoryMiB))
	}()
	if err != nil {
		h.log.Warn("the VM keeps memory that it does not need", "sandbox", dir.ID(), "error", err)
	}
}

func growMemory(ctx context.Context, monitor *hypervisor.Monitor, want uint64, a *agent) error {
	base, plugged, err := monitor.Memory(ctx)
	if err != nil {
		return err
	}
	// Whatever it has: it may be about to give that back.
	if elastic, err := monitor.Elastic(ctx); err != nil || elastic {
		if err == nil && want > base {
			err = monitor.RaiseMemory(ctx, want-base)
		}
		return err
	}
	has := base + plugged
	if has >= want {
		return nil
	}
	// Asked beforehand, to know when all of it is there.
	online := func(request *agentpb.OnlineResourcesRequest) (reply *agentpb.OnlineResourcesReply, err error) {
		request.Memory = true
		err = a.call(ctx, func(ctx context.Context) error {
			reply, err = a.OnlineResources(ctx, request)
			return err
		})
		return reply, err
	}
	reply, err := online(&agentpb.OnlineResourcesRequest{})
	if err != nil {
		return err
	}
	block, err := memoryBlock(reply.MemoryBlockSize)
	if err != nil {
		return err
	}
	for has < want {
		var guest *agentpb.GuestDetailsReply
		err := a.call(ctx, func(ctx context.Context) (err error) {
			guest, err = a.GuestDetails(ctx, &agentpb.Empty{})
			return err
		})
		if err != nil {
			return err
		}
		added, err := monitor.GrowMemory(ctx, memoryStep(want-has, guest.MemoryAvailable>>20, block))
		if err != nil {
			return err
		}
		if reply, err = online(&agentpb.OnlineResourcesRequest{MemoryBlocks: reply.MemoryBlocks + added/block}); err != nil {
			return err
		}
		has += added
	}
	return nil
}
