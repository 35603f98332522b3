package sandbox

import (
	"errors"

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

// plugged tells whether a VM in this network has NICs from the boot on.
func (n *Network) plugged(config *network.Config) bool {
	return n.Namespace != "" && config.Model != network.ModelNone
}

// plug makes the NICs that the VM boots with: one for each interface that is
// there already, and one at least; with one set no more, since others can be
// plugged later. None without a network. The caller closes them. note is called
// before an interface is changed for a NIC, with n as it is then.
func (n *Network) plug(config *network.Config, queues network.Queues, one bool, note func() error) (taps []*network.Tap, err error) {
	if !n.plugged(config) {
		return nil, nil
	}
	ns, err := network.OpenNamespace(n.Namespace)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	defer func() {
		if err != nil {
			for _, t := range taps {
				t.Close()
			}
		}
	}()
	var interfaces []network.Interface
	if !n.Ours && !one { // a new namespace has none
		if interfaces, err = network.Scan(ns); err != nil {
			return nil, err
		}
	}
	// A clone that comes to nothing is followed by a VM with a tap of that name: settled does it.
	queues.Stay = n.Ours && !one
	for i := range max(1, len(interfaces)) {
		var tap *network.Tap
		// A macvtap is made on its interface, so only where that is there already.
		if config.Model == network.ModelMacvtap && i < len(interfaces) {
			tap, err = n.macvtap(ns, interfaces[i], nicName(i), queues, note)
		} else if tap, err = network.CreateTap(ns, nicName(i), queues); err == nil {
			n.NICs = append(n.NICs, tap.NIC)
		}
		if err != nil {
			return taps, err
		}
		taps = append(taps, tap)
	}
	return taps, nil
}

// settled is told of the NICs of a clone that runs, while their queues are open.
func (n *Network) settled(nics []hypervisor.NIC) error {
	if !n.Ours {
		return nil
	}
	var errs []error
	for _, nic := range nics {
		errs = append(errs, network.Stay(nic.Taps[0]))
	}
	return errors.Join(errs...)
}

// macvtap makes a NIC that takes MAC and addresses from its interface, and notes
// it first: the namespace may outlive a creation that is killed.
func (n *Network) macvtap(ns *network.Namespace, i network.Interface, name string, queues network.Queues, note func() error) (*network.Tap, error) {
	nic, err := network.PlanMacvtap(i, name)
	if err != nil {
		return nil, err
	}
	before := len(n.NICs)
	n.NICs = append(n.NICs, nic)
	if err = note(); err == nil {
		var tap *network.Tap
		if tap, err = network.CreateMacvtap(ns, i, name, queues); err == nil {
			return tap, nil
		}
	}
	n.NICs = n.NICs[:before] // nothing is left of it
	return nil, err
}
