// Package route puts the kernel's routes into words, for the host and the guest alike.
package route

import (
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route is a route of the main table without its interface.
type Route struct {
	// Destination in CIDR notation; empty for the default route.
	Destination string
	// Gateway and Source may be empty.
	Gateway, Source string
	// Family is "4" or "6".
	Family string
	// Scope is RT_SCOPE_*, Flags are RTNH_F_*. Metric 0 is the kernel's default,
	// MTU is in bytes and 0 the link's.
	Scope, Flags, Metric, MTU uint32
}

// Made tells whether somebody made the route: not the kernel for an address,
// nor by what a router has announced, and not one that carries nothing.
func Made(r netlink.Route) bool {
	return r.Protocol != unix.RTPROT_KERNEL && r.Protocol != unix.RTPROT_RA && r.Type == unix.RTN_UNICAST
}

// Of answers the kernel's route in words.
func Of(r netlink.Route) Route {
	out := Route{
		Family: "4", Scope: uint32(r.Scope), Flags: uint32(r.Flags), Metric: uint32(r.Priority), MTU: uint32(r.MTU),
	}
	if r.Family == netlink.FAMILY_V6 {
		out.Family = "6"
	}
	if r.Dst != nil {
		if ones, _ := r.Dst.Mask.Size(); ones > 0 || !r.Dst.IP.IsUnspecified() {
			out.Destination = r.Dst.String()
		}
	}
	if r.Gw != nil {
		out.Gateway = r.Gw.String()
	}
	if r.Src != nil {
		out.Source = r.Src.String()
	}
	return out
}
