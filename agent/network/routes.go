package network

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/internal/dump"
	"github.com/kata-go/kata-runtime/internal/route"
)

// UpdateRoutes replaces the routes of the main table that are not the kernel's
// own. All are checked before the first is changed, and none is removed before
// all that are wanted are there: so if one is refused, no other is lost, and
// those that stay carry traffic all the time.
func UpdateRoutes(list []*agentpb.Route) error {
	var want []netlink.Route
	for _, r := range list {
		parsed, err := parseRoute(r)
		if err != nil {
			return err
		}
		want = append(want, parsed)
	}
	// A route over a gateway needs the gateway's own first.
	slices.SortStableFunc(want, func(a, b netlink.Route) int { return rank(a) - rank(b) })
	wanted := map[key]netlink.Route{}
	for _, r := range want {
		if err := replace(r); err != nil {
			return err
		}
		wanted[keyOf(r)] = r
	}
	have, err := ours()
	if err != nil {
		return err
	}
	for _, old := range have {
		r, known := wanted[keyOf(old)]
		if known && alike(r, old) {
			continue
		}
		if err := netlink.RouteDel(&old); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route %s: %w", old, err)
		}
		if known {
			// Without a gateway to tell them apart the kernel may have removed this one.
			if err := replace(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// key is what the kernel knows a route by: another one with the same key
// replaces it, whatever its gateway and interface.
type key struct {
	family, destination string
	metric              uint32
	tos                 int
}

// defaultMetric is what IPv6 makes of the metric 0 (include/uapi/linux/ipv6_route.h,
// IP6_RT_PRIO_USER).
const defaultMetric = 1024

func keyOf(r netlink.Route) key {
	text := route.Of(r)
	k := key{text.Family, text.Destination, text.Metric, r.Tos}
	if k.family == "6" && k.metric == 0 {
		k.metric = defaultMetric
	}
	return k
}

// alike tells whether two routes with one key lead the same way.
func alike(a, b netlink.Route) bool {
	return a.LinkIndex == b.LinkIndex && a.Gw.Equal(b.Gw) && a.Src.Equal(b.Src)
}

func replace(r netlink.Route) error {
	// EEXIST: it is there, behind another one with its key.
	err := netlink.RouteReplace(&r)
	switch {
	case err == nil, errors.Is(err, unix.EEXIST):
		return nil
	case r.Family == netlink.FAMILY_V6 && withoutIPv6At(r.LinkIndex):
		return nil
	}
	return fmt.Errorf("add route %s: %w", r, err)
}

func withoutIPv6At(index int) bool {
	link, err := netlink.LinkByIndex(index)
	return err == nil && withoutIPv6(link.Attrs().Name)
}

func rank(r netlink.Route) int {
	if r.Gw == nil {
		return 0
	}
	return 1
}

// ours are the main table's routes but for those that the kernel made for an
// address, or took from a router.
func ours() ([]netlink.Route, error) {
	all, err := dump.Whole(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return slices.DeleteFunc(all, func(r netlink.Route) bool { return !route.Made(r) }), nil
}

func parseRoute(r *agentpb.Route) (netlink.Route, error) {
	bad := func(what, value string) (netlink.Route, error) {
		return netlink.Route{}, fmt.Errorf("%w: route %s %q", ErrInvalid, what, value)
	}
	out := netlink.Route{Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_STATIC,
		Scope: netlink.Scope(r.Scope), Priority: int(r.Metric), Flags: int(r.Flags), MTU: int(r.Mtu)}
	if r.Scope > 255 {
		return bad("scope", fmt.Sprint(r.Scope))
	}
	link, err := linkByName(r.Device)
	if err != nil {
		return netlink.Route{}, err
	}
	out.LinkIndex = link.Attrs().Index
	if r.Destination != "" {
		_, dst, err := net.ParseCIDR(r.Destination)
		if err != nil {
			return bad("destination", r.Destination)
		}
		out.Dst = dst
	}
	if r.Gateway != "" {
		if out.Gw = net.ParseIP(r.Gateway); out.Gw == nil {
			return bad("gateway", r.Gateway)
		}
	}
	if r.Source != "" {
		if out.Src = net.ParseIP(r.Source); out.Src == nil {
			return bad("source", r.Source)
		}
	}
	return out, family(r, &out)
}

// family sets the route's, and makes an explicit default of an empty
// destination, which has none to tell it from.
func family(r *agentpb.Route, out *netlink.Route) error {
	var families []int
	add := func(ip net.IP) {
		if ip == nil {
			return
		}
		if ip.To4() != nil {
			families = append(families, netlink.FAMILY_V4)
		} else {
			families = append(families, netlink.FAMILY_V6)
		}
	}
	switch r.Family {
	case "4":
		families = append(families, netlink.FAMILY_V4)
	case "6":
		families = append(families, netlink.FAMILY_V6)
	case "":
	default:
		return fmt.Errorf("%w: route family %q", ErrInvalid, r.Family)
	}
	if out.Dst != nil {
		add(out.Dst.IP)
	}
	add(out.Gw)
	add(out.Src)
	if len(families) == 0 {
		families = []int{netlink.FAMILY_V4}
	}
	if slices.Min(families) != slices.Max(families) {
		return fmt.Errorf("%w: route to %q mixes IPv4 and IPv6", ErrInvalid, r.Destination)
	}
	out.Family = families[0]
	if out.Dst == nil {
		out.Dst = &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
		if out.Family == netlink.FAMILY_V6 {
			out.Dst = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
		}
	}
	return nil
}

func linkByName(name string) (netlink.Link, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
		}
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	return link, nil
}

// ListRoutes answers the main table's routes, the kernel's own left out.
func ListRoutes() ([]*agentpb.Route, error) {
	routes, err := ours()
	if err != nil {
		return nil, err
	}
	var list []*agentpb.Route
	for _, r := range routes {
		text := route.Of(r)
		out := &agentpb.Route{
			Destination: text.Destination, Gateway: text.Gateway, Source: text.Source, Family: text.Family,
			Scope: text.Scope, Metric: text.Metric, Flags: text.Flags, Mtu: text.MTU,
		}
		if link, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
			out.Device = link.Attrs().Name
		}
		list = append(list, out)
	}
	return list, nil
}

// AddNeighbours adds entries to the neighbour tables, or changes them.
func AddNeighbours(list []*agentpb.Neighbour) error {
	for _, n := range list {
		ip := net.ParseIP(n.Address)
		if ip == nil {
			return fmt.Errorf("%w: neighbour address %q", ErrInvalid, n.Address)
		}
		mac, err := parseMAC(n.Mac)
		if err != nil {
			return err
		}
		link, err := linkByName(n.Device)
		if err != nil {
			return err
		}
		if n.State > 0xff || n.Flags > 0xff {
			return fmt.Errorf("%w: neighbour %s: state %d, flags %d", ErrInvalid, n.Address, n.State, n.Flags)
		}
		state := int(n.State)
		if state == 0 {
			state = unix.NUD_PERMANENT
		}
		entry := &netlink.Neigh{LinkIndex: link.Attrs().Index, IP: ip, HardwareAddr: mac, State: state, Flags: int(n.Flags)}
		if err := netlink.NeighSet(entry); err != nil {
			if ip.To4() == nil && withoutIPv6(n.Device) {
				continue
			}
			return fmt.Errorf("add neighbour %s on %s: %w", n.Address, n.Device, err)
		}
	}
	return nil
}
