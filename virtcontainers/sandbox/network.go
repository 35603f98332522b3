package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// nicName is NIC zero's name in the sandbox's network namespace.
const nicName = "kata0"

// Network is what is kept of a sandbox's network.
type Network struct {
	// Namespace is the path of the network namespace; empty for the host's own.
	Namespace string `json:"namespace"`
	// Ours: the namespace was made by us and goes with the sandbox.
	Ours bool `json:"ours"`
	// NIC is NIC zero; without a name there is none.
	NIC network.NIC `json:"nic"`
	// Pairs are the interfaces that the guest has taken over.
	Pairs []network.Pair `json:"pairs,omitempty"`
}

// open finds the namespace of a new sandbox: the engine's, or one of our own.
func (n *Network) open(dir *state.Dir, netns string, config *network.Config) error {
	if config.DisableNewNetNS {
		return nil
	}
	if netns != "" {
		n.Namespace = netns
		return nil
	}
	n.Namespace, n.Ours = filepath.Join(dir.Path, "netns"), true
	ns, err := network.NewNamespace(n.Namespace)
	if err != nil {
		return err
	}
	return ns.Close()
}

// start begins a process in the sandbox's namespace.
func (n *Network) start(cmd *exec.Cmd) error {
	if n.Namespace == "" {
		return cmd.Start()
	}
	ns, err := network.OpenNamespace(n.Namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	return ns.Start(cmd)
}

// plug makes NIC zero; nil without one. The caller closes it.
func (n *Network) plug(config *network.Config, queues network.Queues) (*network.Tap, error) {
	if n.Namespace == "" || config.Model == network.ModelNone {
		return nil, nil
	}
	ns, err := network.OpenNamespace(n.Namespace)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	tap, err := makeNIC(ns, config, queues)
	if err != nil {
		return nil, err
	}
	n.NIC = tap.NIC
	return tap, nil
}

// makeNIC makes a macvtap where that is asked for and its interface is there
// already, else a tap.
func makeNIC(ns *network.Namespace, config *network.Config, queues network.Queues) (*network.Tap, error) {
	if config.Model == network.ModelMacvtap {
		interfaces, err := network.Scan(ns)
		if err != nil {
			return nil, err
		}
		if len(interfaces) > 0 {
			return network.CreateMacvtap(ns, interfaces[0], nicName, queues)
		}
	}
	return network.CreateTap(ns, nicName, queues)
}

// connect looks for interfaces that the guest has not taken over yet and ties
// them to its NICs. It answers the new ones.
func (n *Network) connect() ([]network.Pair, error) {
	if n.NIC.Name == "" {
		return nil, nil
	}
	ns, err := network.OpenNamespace(n.Namespace)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	interfaces, err := network.Scan(ns, n.NIC)
	if err != nil {
		return nil, err
	}
	var fresh []network.Pair
	for _, i := range interfaces {
		if n.has(i) {
			continue
		}
		if len(n.Pairs) > 0 {
			return nil, errors.New("a second interface (" + i.Name + ") cannot be plugged yet: give the container one network")
		}
		pair, err := network.Connect(ns, i, n.NIC)
		if err != nil {
			return nil, err
		}
		n.Pairs = append(n.Pairs, pair)
		fresh = append(fresh, pair)
	}
	return fresh, nil
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
	return errors.Join(errs...)
}

// updateNetwork brings interfaces into the guest that came after create
// (Docker 28 and later fill the namespace between create and start).
func (h *Host) updateNetwork(ctx context.Context, dir *state.Dir, st *State, a *agent) error {
	fresh, err := st.Network.connect()
	if err != nil || len(fresh) == 0 {
		return err
	}
	interfaces, routes, neighbours := network.Guest(fresh)
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
