package network

import (
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// Guest says what the agent has to set up for the pairs: each NIC becomes its
// interface, with the same name, MAC, MTU, addresses, routes and neighbours.
func Guest(pairs []Pair) ([]*agentpb.Interface, []*agentpb.Route, []*agentpb.Neighbour) {
	var interfaces []*agentpb.Interface
	var routes []*agentpb.Route
	var neighbours []*agentpb.Neighbour
	for _, p := range pairs {
		i := p.Interface
		out := &agentpb.Interface{
			DeviceMac: p.NIC.MAC,
			Name:      p.Name(),
			Mac:       i.MAC,
			Mtu:       uint32(i.MTU),
			Addresses: i.Addresses,
		}
		if p.NIC.Hotplugged {
			out.Address = "hotplug" // the guest finds it by its MAC
		}
		if i.NoARP {
			out.Flags = unix.IFF_NOARP
		}
		interfaces = append(interfaces, out)
		for _, r := range i.Routes {
			route := &agentpb.Route{
				Destination: r.Destination,
				Gateway:     r.Gateway,
				Device:      p.Name(),
				Source:      r.Source,
				Scope:       r.Scope,
				Family:      r.Family,
				Metric:      r.Metric,
				Mtu:         r.MTU,
			}
			if r.OnLink {
				route.Flags = unix.RTNH_F_ONLINK
			}
			routes = append(routes, route)
		}
		for _, n := range i.Neighbours {
			neighbours = append(neighbours, &agentpb.Neighbour{
				Device: p.Name(), Address: n.Address, Mac: n.MAC, State: unix.NUD_PERMANENT, Flags: n.Flags,
			})
		}
	}
	return interfaces, routes, neighbours
}
