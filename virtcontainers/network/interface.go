package network

import (
	"errors"
	"reflect"
)

// ErrUnsupported is the answer for an interface that no VM can take over.
var ErrUnsupported = errors.New("interface cannot be given to a VM")

// Interface is what an engine put into the namespace.
type Interface struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
	// Type is the kernel's name of the kind: "veth", "macvlan", "tuntap"; "device"
	// for hardware.
	Type string `json:"type"`
	MAC  string `json:"mac"`
	// MTU in bytes.
	MTU int `json:"mtu"`
	// NoARP is the interface's IFF_NOARP.
	NoARP bool `json:"noarp,omitempty"`
	// Addresses in CIDR notation, those left out that the guest's kernel makes by
	// itself from the MAC.
	Addresses []string `json:"addresses,omitempty"`
	// Automatic are those that were left out: macvtap takes them off, and gives
	// them back in the end.
	Automatic  []string    `json:"automatic,omitempty"`
	Routes     []Route     `json:"routes,omitempty"`
	Neighbours []Neighbour `json:"neighbours,omitempty"`
	// Refused says why the VM cannot take the interface over; empty if it can.
	Refused string `json:"refused,omitempty"`
}

// Same tells whether two interfaces are for a guest the same: the kernel's own
// addresses come when they come.
func Same(a, b Interface) bool {
	a.Automatic, b.Automatic = nil, nil
	return reflect.DeepEqual(a, b)
}

// Route is a route of the main table that the kernel did not make by itself.
type Route struct {
	// Destination in CIDR notation; empty for the default route.
	Destination string `json:"destination,omitempty"`
	// Gateway is empty for a route on the link.
	Gateway string `json:"gateway,omitempty"`
	// Source is the preferred source address; may be empty.
	Source string `json:"source,omitempty"`
	// Scope is RT_SCOPE_*: 0 universe, 253 link.
	Scope uint32 `json:"scope,omitempty"`
	// Family is "4" or "6".
	Family string `json:"family"`
	// Metric: 0 is the kernel's default.
	Metric uint32 `json:"metric,omitempty"`
	// OnLink is the flag RTNH_F_ONLINK.
	OnLink bool `json:"onlink,omitempty"`
	// MTU in bytes; 0 for the link's.
	MTU uint32 `json:"mtu,omitempty"`
}

// Neighbour is a permanent entry of the ARP or NDP table.
type Neighbour struct {
	Address string `json:"address"`
	MAC     string `json:"mac"`
	// Flags are NTF_*.
	Flags uint32 `json:"flags,omitempty"`
}

// NIC names a VM's network device on the host, as it is kept in the state.
type NIC struct {
	// Name of the tap in the namespace.
	Name string `json:"name"`
	// MAC that the guest's device had when it was plugged.
	MAC string `json:"mac"`
	// Model that ties it to an interface: ModelTCFilter or ModelMacvtap.
	Model string `json:"model"`
	// Link is the name of the interface below a macvtap; else empty.
	Link string `json:"link,omitempty"`
	// Below is that interface as it was before the macvtap took its MAC and
	// addresses: they are the guest's from then on. Nil for a tap.
	Below *Interface `json:"below,omitempty"`
	// Hotplugged: the guest may not have seen it yet.
	Hotplugged bool `json:"hotplugged,omitempty"`
}

// Pair is an interface and the NIC that carries its traffic.
type Pair struct {
	Interface Interface `json:"interface"`
	NIC       NIC       `json:"nic"`
	// GuestName is what the guest calls the interface; empty for its own name.
	GuestName string `json:"guest_name,omitempty"`
	// Explicit: the user has given it to the guest, perhaps with values of its
	// own. It does not change with the interface.
	Explicit bool `json:"explicit,omitempty"`
}

// Name is what the guest calls the interface.
func (p Pair) Name() string {
	if p.GuestName != "" {
		return p.GuestName
	}
	return p.Interface.Name
}
