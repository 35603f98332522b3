package sandbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

// guestContainer is a sandbox's first container as the agent gets it.
type guestContainer struct {
	id        string
	document  []byte
	disks     []Disk
	storages  []*agentpb.Storage
	hugePages []*agentpb.HugePages
	infra     bool
	spec      *specs.Spec
	network   []network.Pair
}

// seedBytes is how much randomness a new guest gets: what the kernel's pool
// holds (256 bits, drivers/char/random.c), twice.
const seedBytes = 64

// createSandbox waits for the agent's first answer and has it set up the
// sandbox with its first container, in one call.
func (b *boot) createSandbox(ctx context.Context, st *State, phases *Phases, c guestContainer) error {
	return b.reach(ctx, st, func(ctx context.Context, agent *dial.Agent) error {
		phases.Done("agent up")
		request, err := b.request(st, c)
		if err != nil {
			return err
		}
		if err := b.lacks(agent, c); err != nil {
			return fmt.Errorf("sandbox %s: %w", st.ID, err)
		}
		if _, err := agent.CreateSandbox(ctx, request); err != nil {
			if b.vm.Alive() && ctx.Err() == nil {
				return fmt.Errorf("unable to start container process: %w", guestError(err))
			}
			return b.failure(ctx, guestError(err))
		}
		phases.Done("container created")
		return nil
	})
}

// lacks answers an error if an agent would silently drop what a sandbox asks for; a
// call that it does not know it refuses by itself. Of an agent that another has
// greeted (a clone's, a ready VM's) nothing is known.
func (b *boot) lacks(agent *dial.Agent, c guestContainer) error {
	if !agent.Greeted() {
		agent = b.met
	}
	if agent == nil {
		return nil
	}
	filtered := !c.infra && c.spec.Linux != nil && c.spec.Linux.Seccomp != nil && !b.config.DisableGuestSeccomp
	for _, need := range []struct {
		asked                bool
		feature, what, other string
	}{
		{b.config.Hypervisor.GuestHookPath != "", wire.FeatureGuestHooks, "guest_hook_path", "set it to \"\""},
		{filtered, wire.FeatureSeccomp, "linux.seccomp", "set disable_guest_seccomp = true"},
	} {
		if need.asked && !agent.Has(need.feature) {
			return fmt.Errorf("%s: the guest's agent %s has no feature %q: update the guest image, or %s",
				need.what, wire.Printable(agent.Release), need.feature, need.other)
		}
	}
	return nil
}

// reach waits until the agent answers, and calls f with it.
func (b *boot) reach(ctx context.Context, st *State, f func(context.Context, *dial.Agent) error) error {
	ctx, cancel := b.vm.Bind(ctx)
	defer cancel()
	ctx, stop := b.patient(ctx)
	defer stop()
	agent, err := b.greet(ctx, st)
	if err != nil {
		return b.failure(ctx, err)
	}
	defer agent.Close()
	if b.greeted = true; agent.Greeted() {
		b.met = agent
	}
	return f(ctx, agent)
}

// plug answers how a NIC that came after the VM's launch gets into it: when the
// agent answers. A kernel that is told of a device between its scan of the PCI
// buses and the assignment of their memory gives the device none, and the bridge
// neither, unless the firmware had assigned it (qboot does not).
func (b *boot) plug(ctx context.Context, st *State) hotplugger {
	plug := hotplug(ctx, b.vm)
	return func(id string, tap *network.Tap) error {
		if !b.greeted {
			if err := b.reach(ctx, st, func(context.Context, *dial.Agent) error { return nil }); err != nil {
				return err
			}
		}
		return plug(id, tap)
	}
}

// greet reaches the agent. That of a clone was greeted before it was saved,
// that of a ready VM before it was ready.
func (b *boot) greet(ctx context.Context, st *State) (*dial.Agent, error) {
	if b.greeted {
		return dial.Client(ctx, st.Agent)
	}
	return dial.Connect(ctx, st.Agent, "kata-runtime")
}

func (b *boot) request(st *State, c guestContainer) (*agentpb.CreateSandboxRequest, error) {
	seed := make([]byte, seedBytes)
	if _, err := rand.Read(seed); err != nil {
		return nil, err
	}
	interfaces, routes, neighbours := network.Guest(c.network)
	hostname := c.spec.Hostname
	if hostname == "" {
		// A new uts namespace has its parent's name: with runc, the host's.
		var err error
		if hostname, err = os.Hostname(); err != nil {
			return nil, err
		}
	}
	request := &agentpb.CreateSandboxRequest{
		SandboxId: st.ID, Hostname: hostname,
		ClockNs: time.Now().UnixNano(), Entropy: seed,
		Storages:   []*agentpb.Storage{b.config.Share.Storage(b.choice)},
		Interfaces: interfaces, Routes: routes, Neighbours: neighbours,
		GuestHookPath: b.config.Hypervisor.GuestHookPath,
		Container: &agentpb.CreateContainerRequest{
			ContainerId: c.id, OciSpec: c.document, Infra: c.infra, Devices: guestDevices(c.disks), Storages: c.storages, HugePages: c.hugePages,
		},
	}
	// What an infra container asks for is the pod's: it has no process.
	if c.infra {
		request.Sysctls = c.spec.Linux.Sysctl
	}
	for _, m := range c.spec.Mounts {
		if oci.KindOf(m) != oci.Shm {
			continue
		}
		var err error
		if request.ShmSize, err = shmSize(m.Source); err != nil {
			return nil, err
		}
	}
	return request, nil
}
