package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// nicName is the name of the sandbox's n-th NIC in its network namespace.
func nicName(n int) string { return fmt.Sprintf(nicFormat, n) }

const (
	nicPrefix = "kata"
	nicFormat = nicPrefix + "%d"
	// networkLock is held while a sandbox's network is changed.
	networkLock = "network.lock"
)

// Network is what is kept of a sandbox's network.
type Network struct {
	// Namespace is the path of the network namespace; empty for the host's own.
	Namespace string `json:"namespace"`
	// Named is the namespace that the engine has for a sandbox in the host's;
	// nothing of the sandbox is in it.
	Named string `json:"named,omitempty"`
	// Ours: the namespace was made by us and goes with the sandbox.
	Ours bool `json:"ours"`
	// NICs are the VM's; the first is there before anyone knows an interface.
	NICs []network.NIC `json:"nics,omitempty"`
	// Pairs are the interfaces that the guest has taken over.
	Pairs []network.Pair `json:"pairs,omitempty"`
	// Released are the indices of interfaces that the user took from the guest:
	// it gets them again only when the user says so.
	Released []int `json:"released,omitempty"`
	// Fixed: what changes in the namespace while a container runs is not
	// followed (disable_network_follow).
	Fixed bool `json:"fixed,omitempty"`
}

// plan finds the namespace of a new sandbox: the engine's, or one of our own,
// which open makes.
func (n *Network) plan(dir *state.Dir, netns string, config *network.Config) {
	if config.DisableNewNetNS {
		n.Named = netns
		return
	}
	n.Fixed = config.DisableFollow
	n.Namespace, n.Ours = netns, netns == ""
	if n.Ours {
		n.Namespace = filepath.Join(dir.Path, "netns")
	}
}

// open makes the planned namespace, if it is ours.
func (n *Network) open() error {
	if !n.Ours {
		return nil
	}
	ns, err := network.NewNamespace(n.Namespace)
	if err != nil {
		return err
	}
	return ns.Close()
}

// start begins a process in the sandbox's network namespace.
func (st *State) start(cmd *exec.Cmd) error {
	if st.Network.Namespace == "" {
		return cmd.Start()
	}
	ns, err := st.namespace()
	if err != nil {
		return err
	}
	defer ns.Close()
	return ns.Start(cmd)
}

// namespace opens the sandbox's network namespace: by its path or, if an engine
// has taken that away already, by a process of ours that is in it.
func (st *State) namespace() (*network.Namespace, error) {
	ns, err := network.OpenNamespace(st.Network.Namespace)
	if err == nil {
		return ns, nil
	}
	inside := []proc.Handle{st.Proxy}
	for _, c := range st.Containers {
		inside = append(inside, c.Shim)
	}
	for _, p := range inside {
		if !p.Alive() {
			continue
		}
		ns, openErr := network.OpenNamespace(fmt.Sprintf("/proc/%d/ns/net", p.PID))
		if openErr != nil {
			continue
		}
		// Alive still: so it was that process's, not of one that got its pid.
		if p.Alive() {
			return ns, nil
		}
		ns.Close()
	}
	return nil, err
}

// count answers how many interfaces there are for the guest by now.
func (n *Network) count(config *network.Config) (int, error) {
	if n.Ours || !n.plugged(config) {
		return 0, nil
	}
	ns, err := network.OpenNamespace(n.Namespace)
	if err != nil {
		return 0, err
	}
	defer ns.Close()
	interfaces, err := network.Scan(ns)
	return len(interfaces), err
}

// hotplugger plugs a further NIC into the running VM.
type hotplugger func(id string, tap *network.Tap) error

// connect looks for interfaces that the guest has not taken over yet and ties
// each to a NIC, which is plugged if there is no free one. It answers the new ones.
// note is called before they are changed, with n as it is then, and also after an
// error if NICs were plugged before it.
func (n *Network) connect(plug hotplugger, note func() error) ([]network.Pair, error) {
	if len(n.NICs) == 0 {
		return nil, nil
	}
	ns, err := network.OpenNamespace(n.Namespace)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	interfaces, err := network.Scan(ns, n.NICs...)
	if err != nil {
		return nil, err
	}
	before, nics := len(n.Pairs), len(n.NICs)
	for _, i := range interfaces {
		if n.has(i) || slices.Contains(n.Released, i.Index) {
			continue
		}
		if _, err = n.tie(ns, i, plug); err != nil {
			break
		}
	}
	if len(n.NICs) > nics || err == nil && len(n.Pairs) > before {
		err = errors.Join(err, note())
	}
	if err != nil {
		n.Pairs = n.Pairs[:before]
		return nil, err
	}
	for at := before; at < len(n.Pairs); at++ {
		if _, err := network.Connect(ns, n.Pairs[at].Interface, n.Pairs[at].NIC); err != nil {
			n.Pairs = n.Pairs[:at]
			return nil, err
		}
	}
	return slices.Clone(n.Pairs[before:]), nil
}

// tie gives an interface a NIC, which is plugged if there is no free one. They are
// still to be connected.
func (n *Network) tie(ns *network.Namespace, i network.Interface, plug hotplugger) (network.Pair, error) {
	nic, ok := n.free(i)
	if !ok {
		var err error
		if nic, err = n.add(ns, plug); err != nil {
			return network.Pair{}, fmt.Errorf("interface %s: %w", i.Name, err)
		}
	}
	pair, err := network.Tie(i, nic)
	if err != nil {
		return network.Pair{}, err
	}
	n.Pairs = append(n.Pairs, pair)
	return pair, nil
}

// free answers a NIC that no interface has. A macvtap is its own interface's.
func (n *Network) free(i network.Interface) (network.NIC, bool) {
	for _, nic := range n.NICs {
		used := slices.ContainsFunc(n.Pairs, func(p network.Pair) bool { return p.NIC.Name == nic.Name })
		if !used && (nic.Model != network.ModelMacvtap || nic.Link == i.Name) {
			return nic, true
		}
	}
	return network.NIC{}, false
}

// add makes a further tap and plugs it.
func (n *Network) add(ns *network.Namespace, plug hotplugger) (network.NIC, error) {
	var tap *network.Tap
	number := -1
	for err := error(unix.EEXIST); err != nil; {
		number++
		if slices.ContainsFunc(n.NICs, func(nic network.NIC) bool { return nic.Name == nicName(number) }) {
			continue
		}
		// One that is there and not known was plugged by a start that was killed before
		// it could note that.
		tap, err = network.CreateTap(ns, nicName(number), network.Queues{Count: 1})
		if err != nil && (!errors.Is(err, unix.EEXIST) || number > mostNICs) {
			return network.NIC{}, err
		}
	}
	defer tap.Close()
	if err := plug(nicID(number), tap); err != nil {
		return network.NIC{}, err
	}
	tap.NIC.Hotplugged = true
	n.NICs = append(n.NICs, tap.NIC)
	return tap.NIC, nil
}

// mostNICs is beyond what the bridges of a VM have room for.
const mostNICs = 256

// nicID is the name in the VM of the NIC that nicName(n) names.
func nicID(n int) string { return fmt.Sprintf("nic%d", n) }

// hotplug answers how a NIC gets into a VM that runs.
func hotplug(ctx context.Context, vm *hypervisor.VM) hotplugger {
	return func(id string, tap *network.Tap) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		monitor, err := vm.Monitor(ctx)
		if err != nil {
			return err
		}
		defer monitor.Close()
		return monitor.HotplugNIC(ctx, vmNIC(id, tap))
	}
}

func vmNIC(id string, tap *network.Tap) hypervisor.NIC {
	return hypervisor.NIC{ID: id, MAC: tap.NIC.MAC, Taps: tap.Queues, VHosts: tap.VHosts}
}

func (n *Network) has(i network.Interface) bool {
	for _, p := range n.Pairs {
		if p.Interface.Index == i.Index {
			return true
		}
	}
	return false
}

// remove takes back what was done in the namespace, or the namespace itself.
func (n *Network) remove(dir *state.Dir) error {
	if n.Namespace == "" || n.Ours {
		// Also the one of a creation that was killed before it wrote its state.
		return network.RemoveNamespace(filepath.Join(dir.Path, "netns"))
	}
	ns, err := network.OpenNamespace(n.Namespace)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the engine took its namespace away, with all in it
	}
	if err != nil {
		return err
	}
	defer ns.Close()
	var errs []error
	for _, p := range n.Pairs {
		errs = append(errs, network.Disconnect(ns, p), p.NIC.Remove(ns, p.Interface))
	}
	for _, nic := range n.NICs {
		// A macvtap whose sandbox did not come so far as to connect it.
		if nic.Below != nil && !slices.ContainsFunc(n.Pairs, func(p network.Pair) bool { return p.NIC.Name == nic.Name }) {
			errs = append(errs, nic.Remove(ns, *nic.Below))
		}
	}
	return errors.Join(errs...)
}

// updateNetwork brings interfaces into the guest that came after create
// (Docker 28 and later fill the namespace between create and start).
func (h *Host) updateNetwork(ctx context.Context, dir *state.Dir, st *State, a *agent) error {
	// Noted before are only the NICs, which the VM has from then on: what is paired in
	// the state the guest has got, or a start that is repeated would not give it that.
	note := func() error {
		disk := new(State)
		return dir.Update(disk, func() error { disk.Network.NICs = st.Network.NICs; return nil })
	}
	fresh, err := st.Network.connect(hotplug(ctx, &st.VM), note)
	if err != nil || len(fresh) == 0 {
		return err
	}
	h.warnOfRouting(st, fresh)
	interfaces, _, neighbours := network.Guest(fresh)
	_, routes, _ := network.Guest(st.Network.Pairs) // they replace all that are there
	err = a.call(ctx, func(ctx context.Context) error {
		if _, err := a.UpdateInterfaces(ctx, &agentpb.UpdateInterfacesRequest{Interfaces: interfaces}); err != nil {
			return err
		}
		if _, err := a.UpdateRoutes(ctx, &agentpb.UpdateRoutesRequest{Routes: routes}); err != nil {
			return err
		}
		if len(neighbours) == 0 {
			return nil
		}
		_, err := a.AddNeighbours(ctx, &agentpb.AddNeighboursRequest{Neighbours: neighbours})
		return err
	})
	if err != nil {
		return err
	}
	disk := new(State)
	return dir.Update(disk, func() error { disk.Network = st.Network; return nil })
}
