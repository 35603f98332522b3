package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/internal/undo"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

var (
	// ErrNoInterface is the answer about an interface that is not there.
	ErrNoInterface = errors.New("no such interface")
	// ErrInterfaceExists is the answer to giving the guest what it has.
	ErrInterfaceExists = errors.New("the guest has this interface already")
)

// InterfaceRequest says which interface a running VM shall get, and what of it
// shall be different in the guest.
type InterfaceRequest struct {
	// Link is its name in the sandbox's network namespace.
	Link string
	// Name is what the guest calls it; empty for the same.
	Name string
	// Addresses (CIDR), MAC and MTU replace those that the interface has; empty
	// or zero leaves them.
	Addresses []string
	MAC       string
	MTU       int
}

// withNetwork opens what changes to a running sandbox's network need.
func (h *Host) withNetwork(ctx context.Context, id string, do func(dir *state.Dir, st *State, ns *network.Namespace, a *agent) error) error {
	dir, _, _, err := h.load(id)
	if err != nil {
		return err
	}
	unlock, err := dir.Hold(networkLock)
	if err != nil {
		return err
	}
	defer unlock()
	// Only now: whoever had the lock has changed it.
	_, st, _, err := h.load(id)
	if err != nil {
		return err
	}
	a, err := h.connect(ctx, st)
	if err != nil {
		return fmt.Errorf("network of %s: %w", id, err)
	}
	defer a.Close()
	if len(st.Network.NICs) == 0 && st.Network.Namespace == "" {
		return fmt.Errorf("network of %s: its sandbox has none (disable_new_netns)", id)
	}
	ns, err := network.OpenNamespace(st.Network.Namespace)
	if err != nil {
		return fmt.Errorf("network of %s: %w", id, err)
	}
	defer ns.Close()
	if err := do(dir, st, ns, a); err != nil {
		return fmt.Errorf("network of %s: %w", id, err)
	}
	return nil
}

// AddInterface gives a running VM an interface of its network namespace, with
// its addresses and routes, and answers it as the guest has it then. After an
// error it is as before.
func (h *Host) AddInterface(ctx context.Context, id string, want InterfaceRequest) (added *agentpb.Interface, err error) {
	err = h.withNetwork(ctx, id, func(dir *state.Dir, st *State, ns *network.Namespace, a *agent) (err error) {
		i, followed, err := st.Network.find(ns, want)
		if err != nil {
			return err
		}
		pair := network.Pair{Interface: i, GuestName: want.Name, Explicit: true}
		if followed {
			added, err = replacePair(ctx, dir, st, a, pair)
		} else {
			added, err = addPair(ctx, dir, st, ns, a, pair)
		}
		return err
	})
	return added, err
}

// addPair gives the guest an interface that it does not have. After an error
// it is as before.
func addPair(ctx context.Context, dir *state.Dir, st *State, ns *network.Namespace, a *agent, want network.Pair) (added *agentpb.Interface, err error) {
	n := &st.Network
	var done undo.List
	before := *n
	before.NICs, before.Pairs, before.Released = slices.Clone(n.NICs), slices.Clone(n.Pairs), slices.Clone(n.Released)
	defer func() {
		if err != nil {
			err = errors.Join(err, done.Run())
			*n = before
		}
	}()
	nics := len(n.NICs)
	pair, err := n.tie(ns, want.Interface, hotplug(ctx, &st.VM))
	if len(n.NICs) > nics {
		nic := n.NICs[nics]
		done.Add("unplug the NIC", func() error { return unplugNIC(context.Background(), st, nic) })
	}
	if err == nil {
		_, err = network.Connect(ns, pair.Interface, pair.NIC)
	}
	if err != nil {
		return nil, err
	}
	done.Add("disconnect", func() error { return network.Disconnect(ns, pair) })
	pair.GuestName, pair.Explicit = want.GuestName, want.Explicit
	n.Pairs[len(n.Pairs)-1] = pair
	n.Released = slices.DeleteFunc(n.Released, func(index int) bool { return index == pair.Interface.Index })
	if added, err = addToGuest(ctx, a, pair, nil); err != nil {
		return nil, err
	}
	return added, st.saveNetwork(dir)
}

// replacePair changes an interface that the guest has, by its index in the
// namespace.
func replacePair(ctx context.Context, dir *state.Dir, st *State, a *agent, want network.Pair) (*agentpb.Interface, error) {
	n := &st.Network
	at := slices.IndexFunc(n.Pairs, func(p network.Pair) bool { return p.Interface.Index == want.Interface.Index })
	old := n.Pairs[at]
	if old.NIC.Model == network.ModelMacvtap {
		return nil, fmt.Errorf("%s is tied to its NIC while the VM runs: only internetworking_model = %q can change it", old.Name(), network.ModelTCFilter)
	}
	want.NIC = old.NIC
	// The guest finds it by the MAC that it has got.
	inGuest := want
	inGuest.NIC.MAC, inGuest.NIC.Hotplugged = old.Interface.MAC, false
	changed, err := addToGuest(ctx, a, inGuest, &old)
	if err != nil {
		return nil, err
	}
	n.Pairs[at] = want
	return changed, st.saveNetwork(dir)
}

// saveNetwork writes the network's state alone.
func (st *State) saveNetwork(dir *state.Dir) error {
	disk := new(State)
	return dir.Update(disk, func() error { disk.Network = st.Network; return nil })
}

// find looks for the interface that a request names, as the guest shall have
// it. followed says that the guest has it already, without the user's doing.
func (n *Network) find(ns *network.Namespace, want InterfaceRequest) (i network.Interface, followed bool, err error) {
	interfaces, err := network.Scan(ns, n.NICs...)
	if err != nil {
		return i, false, err
	}
	at := slices.IndexFunc(interfaces, func(i network.Interface) bool { return i.Name == want.Link })
	if at < 0 {
		return i, false, fmt.Errorf("%w: %s is not in the sandbox's network namespace, or is down and has no address", ErrNoInterface, want.Link)
	}
	i = interfaces[at]
	name := want.Name
	if name == "" {
		name = want.Link
	}
	for _, p := range n.Pairs {
		switch {
		case p.Interface.Index == i.Index && !p.Explicit && !n.Fixed:
			followed = true
		case p.Interface.Index == i.Index || p.Name() == name:
			return i, false, fmt.Errorf("%w: %s", ErrInterfaceExists, name)
		}
	}
	if len(want.Addresses) > 0 {
		i.Addresses = want.Addresses
	}
	if want.MAC != "" {
		i.MAC = want.MAC
	}
	if want.MTU > 0 {
		i.MTU = want.MTU
	}
	return i, followed, nil
}

// addToGuest has the guest set an interface up. Its routes come to those that
// the guest has; those of old, what the interface was before, go.
func addToGuest(ctx context.Context, a *agent, pair network.Pair, old *network.Pair) (added *agentpb.Interface, err error) {
	interfaces, routes, neighbours := network.Guest([]network.Pair{pair})
	err = a.call(ctx, func(ctx context.Context) error {
		have, err := a.ListRoutes(ctx, &agentpb.Empty{})
		if err != nil {
			return err
		}
		list, err := a.UpdateInterfaces(ctx, &agentpb.UpdateInterfacesRequest{Interfaces: interfaces})
		if err != nil {
			return err
		}
		for _, i := range list.Interfaces {
			if i.Name == pair.Name() {
				added = i
			}
		}
		kept := have.Routes
		if old != nil {
			_, gone, _ := network.Guest([]network.Pair{*old})
			kept = without(kept, gone)
		}
		if len(routes) > 0 || len(kept) < len(have.Routes) {
			all := append(kept, routes...)
			if _, err := a.UpdateRoutes(ctx, &agentpb.UpdateRoutesRequest{Routes: all}); err != nil {
				return err
			}
		}
		if len(neighbours) == 0 {
			return nil
		}
		_, err = a.AddNeighbours(ctx, &agentpb.AddNeighboursRequest{Neighbours: neighbours})
		return err
	})
	if err == nil && added == nil {
		err = fmt.Errorf("the guest does not show the interface %s", pair.Name())
	}
	return added, err
}

// without answers the routes that are not in gone.
func without(routes, gone []*agentpb.Route) []*agentpb.Route {
	return slices.DeleteFunc(slices.Clone(routes), func(r *agentpb.Route) bool {
		return slices.ContainsFunc(gone, func(g *agentpb.Route) bool {
			return g.Device == r.Device && g.Destination == r.Destination && g.Gateway == r.Gateway && g.Family == r.Family
		})
	})
}

// DropInterface takes an interface from a running VM, by its name in the guest.
// In the namespace it stays, and is the host's again. Start does not give it
// back; AddInterface does.
func (h *Host) DropInterface(ctx context.Context, id, name string) error {
	return h.withNetwork(ctx, id, func(dir *state.Dir, st *State, ns *network.Namespace, a *agent) error {
		n := &st.Network
		at := slices.IndexFunc(n.Pairs, func(p network.Pair) bool { return p.Name() == name })
		if at < 0 {
			return fmt.Errorf("%w: the guest has no %s of the sandbox's network namespace", ErrNoInterface, name)
		}
		released := n.Pairs[at].Interface.Index
		if err := dropPair(ctx, st, ns, a, n.Pairs[at]); err != nil {
			return err
		}
		n.Released = append(n.Released, released)
		return st.saveNetwork(dir)
	})
}

// dropPair takes an interface from the guest, and its NIC if it was plugged
// for it.
func dropPair(ctx context.Context, st *State, ns *network.Namespace, a *agent, pair network.Pair) error {
	if pair.NIC.Model == network.ModelMacvtap {
		return fmt.Errorf("%s is tied to its NIC while the VM runs: only internetworking_model = %q can take it away", pair.Name(), network.ModelTCFilter)
	}
	if err := dropInGuest(ctx, a, pair); err != nil {
		return err
	}
	if pair.NIC.Hotplugged {
		if err := unplugNIC(ctx, st, pair.NIC); err != nil {
			return err
		}
	}
	if err := network.Disconnect(ns, pair); err != nil {
		return err
	}
	n := &st.Network
	n.Pairs = slices.DeleteFunc(n.Pairs, func(p network.Pair) bool { return p.NIC.Name == pair.NIC.Name })
	if pair.NIC.Hotplugged {
		n.NICs = slices.DeleteFunc(n.NICs, func(nic network.NIC) bool { return nic.Name == pair.NIC.Name })
	}
	return nil
}

// dropInGuest brings an interface down in the guest. A NIC that stays plugged
// gets the MAC again by which its next user finds it.
func dropInGuest(ctx context.Context, a *agent, pair network.Pair) error {
	return a.call(ctx, func(ctx context.Context) error {
		if !pair.NIC.Hotplugged {
			_, err := a.UpdateInterfaces(ctx, &agentpb.UpdateInterfacesRequest{Interfaces: []*agentpb.Interface{
				{DeviceMac: pair.Interface.MAC, Mac: pair.NIC.MAC},
			}})
			if err != nil && guestCode(guestError(err)) != call.NotFound {
				return err
			}
		}
		_, err := a.RemoveInterface(ctx, &agentpb.RemoveInterfaceRequest{Name: pair.Name()})
		if guestCode(guestError(err)) == call.NotFound {
			return nil
		}
		return err
	})
}

// unplugNIC takes a hot-plugged NIC out of the VM; its tap ends with that.
func unplugNIC(ctx context.Context, st *State, nic network.NIC) error {
	var number int
	if _, err := fmt.Sscanf(nic.Name, nicFormat, &number); err != nil {
		return fmt.Errorf("NIC %s is not of this sandbox", nic.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	monitor, err := st.VM.Monitor(ctx)
	if err != nil {
		return err
	}
	defer monitor.Close()
	return monitor.UnplugNIC(ctx, nicID(number))
}

// Interfaces answers the guest's interfaces as they are, the loopback left out.
func (h *Host) Interfaces(ctx context.Context, id string) (list []*agentpb.Interface, err error) {
	err = h.onAgent(ctx, id, func(ctx context.Context, a *agent) error {
		reply, err := a.ListInterfaces(ctx, &agentpb.Empty{})
		list = reply.GetInterfaces()
		return err
	})
	return list, err
}

// Routes answers the guest's routes, those left out that its kernel made.
func (h *Host) Routes(ctx context.Context, id string) (list []*agentpb.Route, err error) {
	err = h.onAgent(ctx, id, func(ctx context.Context, a *agent) error {
		reply, err := a.ListRoutes(ctx, &agentpb.Empty{})
		list = reply.GetRoutes()
		return err
	})
	return list, err
}

// UpdateRoutes replaces the guest's routes and answers what they are then.
func (h *Host) UpdateRoutes(ctx context.Context, id string, routes []*agentpb.Route) (list []*agentpb.Route, err error) {
	err = h.onAgent(ctx, id, func(ctx context.Context, a *agent) error {
		reply, err := a.UpdateRoutes(ctx, &agentpb.UpdateRoutesRequest{Routes: routes})
		list = reply.GetRoutes()
		return err
	})
	return list, err
}

// onAgent makes one call to the agent of the sandbox that a container is in,
// whatever the container's state.
func (h *Host) onAgent(ctx context.Context, id string, do func(context.Context, *agent) error) error {
	_, st, _, err := h.load(id)
	if err != nil {
		return err
	}
	a, err := h.connect(ctx, st)
	if err == nil {
		defer a.Close()
		err = a.call(ctx, func(ctx context.Context) error { return do(ctx, a) })
	}
	if err != nil {
		return fmt.Errorf("sandbox of %s: %w", id, err)
	}
	return nil
}
