package network

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/dump"
	"github.com/kata-go/kata-runtime/internal/route"
)

// Scan answers what the engine put into the namespace, in the kernel's order:
// every link but the loopback, those in own (the names of our taps and
// macvtaps) and those that are down and have no address, which the kernel
// itself makes in every namespace (tunl0, sit0).
//
// What no VM can take over is in the list too, with the reason in Refused.
func Scan(ns *Namespace, own ...NIC) ([]Interface, error) {
	h, err := ns.handle()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	links, err := dump.Whole(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links of %s: %w", ns.path, err)
	}
	var found []Interface
	parents := map[int]int{}
	for _, link := range links {
		a := link.Attrs()
		if a.Flags&net.FlagLoopback != 0 || slices.ContainsFunc(own, func(n NIC) bool { return n.Name == a.Name }) {
			continue
		}
		i, err := scanLink(h, link)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("interface %s in %s: %w", a.Name, ns.path, err)
		}
		if a.Flags&net.FlagUp == 0 && len(i.Addresses) == 0 {
			continue
		}
		found = append(found, i)
		parents[i.Index] = parent(link)
	}
	for n := range found {
		i := &found[n]
		above := slices.IndexFunc(found, func(p Interface) bool { return p.Index == parents[i.Index] })
		if above >= 0 && i.Refused == "" {
			i.Refused = "it receives by " + found[above].Name + ", whose frames all go to the VM; give the namespace one of them, or make this one in the container"
		}
	}
	return found, nil
}

// parent answers the link of the same namespace by which another gets what it
// receives; 0 if there is none. A veth's is its peer, which is another matter.
func parent(link netlink.Link) int {
	switch link.(type) {
	case *netlink.Vlan, *netlink.Macvlan, *netlink.IPVlan:
		if a := link.Attrs(); a.NetNsID < 0 {
			return a.ParentIndex
		}
	}
	return 0
}

func scanLink(h *netlink.Handle, link netlink.Link) (Interface, error) {
	a := link.Attrs()
	i := Interface{
		Name: a.Name, Index: a.Index, Type: link.Type(), MAC: a.HardwareAddr.String(), MTU: a.MTU,
		NoARP:   a.RawFlags&unix.IFF_NOARP != 0,
		Refused: refusal(link),
	}
	addresses, err := addressesOf(h, link)
	if err != nil {
		return i, fmt.Errorf("addresses: %w", err)
	}
	// The kernel's own way to the other end of a point-to-point address, which
	// the guest's address will not have: gateways may lie behind it.
	var peers []Route
	for _, addr := range addresses {
		if automatic(addr) {
			i.Automatic = append(i.Automatic, addr.IPNet.String())
			continue
		}
		i.Addresses = append(i.Addresses, addr.IPNet.String())
		if p := addr.Peer; p != nil && !p.IP.Equal(addr.IP) {
			peers = append(peers, inWords(netlink.Route{Family: nl.GetIPFamily(p.IP), Dst: p, Src: addr.IP, Scope: netlink.SCOPE_LINK}))
		}
	}
	routes, err := scanRoutes(h, link)
	if err != nil {
		return i, err
	}
	i.Routes = append(peers, routes...)
	neighbours, err := dump.Whole(func() ([]netlink.Neigh, error) { return h.NeighList(a.Index, netlink.FAMILY_ALL) })
	if err != nil {
		return i, fmt.Errorf("neighbours: %w", err)
	}
	for _, n := range neighbours {
		if n.State&unix.NUD_PERMANENT == 0 || n.IP == nil || len(n.HardwareAddr) == 0 || n.IP.IsMulticast() {
			continue
		}
		i.Neighbours = append(i.Neighbours, Neighbour{Address: n.IP.String(), MAC: n.HardwareAddr.String(), Flags: uint32(n.Flags)})
	}
	return i, nil
}

// automatic tells whether the guest's kernel will make the address by itself:
// IPv6 link-local from a MAC (RFC 4291, appendix A; the MAC may have changed
// since), or what the host's kernel invented (RFC 7217, RFC 8981), for which the
// guest's invents its own.
func automatic(addr netlink.Addr) bool {
	if addr.IP.To4() != nil || len(addr.IP) != net.IPv6len {
		return false
	}
	if addr.Flags&(unix.IFA_F_STABLE_PRIVACY|unix.IFA_F_TEMPORARY|unix.IFA_F_MANAGETEMPADDR) != 0 {
		return true
	}
	return addr.IP.IsLinkLocalUnicast() && addr.IP[11] == 0xff && addr.IP[12] == 0xfe
}

// addressesOf lists the addresses of an interface, both families'.
func addressesOf(h *netlink.Handle, link netlink.Link) ([]netlink.Addr, error) {
	return dump.Whole(func() ([]netlink.Addr, error) { return h.AddrList(link, netlink.FAMILY_ALL) })
}

func scanRoutes(h *netlink.Handle, link netlink.Link) ([]Route, error) {
	var found []Route
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := dump.Whole(func() ([]netlink.Route, error) { return h.RouteList(link, family) })
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("routes: %w", err)
		}
		for _, r := range routes {
			// The kernel's own come with the addresses; those of router
			// advertisements come to the guest as they came here.
			if route.Made(r) {
				found = append(found, inWords(r))
			}
		}
	}
	// A gateway must be reachable when its route is added: routes on the link first.
	slices.SortStableFunc(found, func(a, b Route) int {
		return boolInt(a.Gateway != "") - boolInt(b.Gateway != "")
	})
	return found, nil
}

func inWords(r netlink.Route) Route {
	text := route.Of(r)
	return Route{
		Destination: text.Destination, Gateway: text.Gateway, Source: text.Source, Family: text.Family,
		Scope: text.Scope, Metric: text.Metric, MTU: text.MTU, OnLink: text.Flags&unix.RTNH_F_ONLINK != 0,
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// refusal says why a link cannot be given to a VM; empty if it can.
//
// An interface is taken over by moving Ethernet frames to and from it, which
// works for veth, macvlan, hardware, ipvlan in L2 mode (the guest has the
// parent's MAC too, and ipvlan sorts by the addresses, which stay on the host's
// interface) and a tap that a user-space stack such as slirp4netns reads.
func refusal(link netlink.Link) string {
	a := link.Attrs()
	switch l := link.(type) {
	case *netlink.Tuntap:
		if l.Mode == unix.IFF_TUN {
			return "a tun device carries packets without Ethernet frames"
		}
	case *netlink.IPVlan:
		if l.Mode != netlink.IPVLAN_MODE_L2 {
			return "ipvlan in L3 mode routes on the host; use its L2 mode, macvlan or a bridge"
		}
	case *netlink.Macvtap:
		return "a macvtap belongs to whoever opened it; give the namespace a macvlan or veth"
	case *netlink.Bridge, *netlink.Bond, *netlink.Vrf:
		return "a " + link.Type() + " joins links of its namespace, which the VM does not have; give the VM one of its ports"
	}
	if a.MasterIndex != 0 {
		return "it is a port of another interface in its namespace"
	}
	if a.EncapType != "ether" {
		return "it has no Ethernet link layer (" + a.EncapType + ")"
	}
	return ""
}
