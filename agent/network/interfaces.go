// Package network configures the guest's interfaces, routes and neighbours.
// Its functions act on the network namespace of the agent, which is the one
// that all containers live in.
package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/uevent"
	"github.com/kata-go/kata-runtime/internal/dump"
)

var (
	// ErrInvalid is wrapped when a request cannot be meant.
	ErrInvalid = errors.New("invalid network setting")
	// ErrNotFound is wrapped when there is no such interface.
	ErrNotFound = errors.New("no such interface")
)

// UpdateInterfaces configures interfaces and brings them up. One that is still
// being plugged is waited for, until ctx ends.
func UpdateInterfaces(ctx context.Context, list []*agentpb.Interface) ([]*agentpb.Interface, error) {
	for _, want := range list {
		if err := check(want); err != nil {
			return nil, err
		}
	}
	for _, want := range list {
		if err := update(ctx, want); err != nil {
			return nil, fmt.Errorf("interface %s %s: %w", want.DeviceMac, want.Name, err)
		}
	}
	return List()
}

func check(i *agentpb.Interface) error {
	if _, err := parseMAC(i.DeviceMac); err != nil {
		return err
	}
	if i.Mac != "" {
		if _, err := parseMAC(i.Mac); err != nil {
			return err
		}
	}
	if i.Name != "" {
		if err := checkName(i.Name); err != nil {
			return err
		}
	}
	for _, a := range i.Addresses {
		if _, err := netlink.ParseAddr(a); err != nil {
			return fmt.Errorf("%w: address %q: %w", ErrInvalid, a, err)
		}
	}
	return nil
}

// checkName knows the kernel's rules (net/core/dev.c, dev_valid_name).
func checkName(name string) error {
	if name == "" || len(name) >= unix.IFNAMSIZ || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\x00") {
		return fmt.Errorf("%w: interface name %q", ErrInvalid, name)
	}
	return nil
}

func parseMAC(s string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("%w: MAC %q", ErrInvalid, s)
	}
	return mac, nil
}

func update(ctx context.Context, want *agentpb.Interface) error {
	mac, err := parseMAC(want.DeviceMac)
	if err != nil {
		return err
	}
	// A request that is repeated finds the interface by the MAC it has by now.
	wanted := []net.HardwareAddr{mac}
	if want.Mac != "" {
		given, err := parseMAC(want.Mac)
		if err != nil {
			return err
		}
		wanted = append(wanted, given)
	}
	var link netlink.Link
	look := func() (bool, error) {
		link, err = byMAC(wanted)
		return link != nil, err
	}
	if want.Address == "" {
		if _, err := look(); err != nil {
			return err
		}
		if link == nil {
			return ErrNotFound
		}
	} else if err := uevent.Until(ctx, "net", look); err != nil {
		return err
	}
	return configure(link, want)
}

// links lists the interfaces; NICs may be plugged right now.
func links() ([]netlink.Link, error) { return dump.Whole(netlink.LinkList) }

// addressesOf lists the addresses of an interface, both families'; IPv6 may be
// at its own right now.
func addressesOf(link netlink.Link) ([]netlink.Addr, error) {
	return dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_ALL) })
}

// byMAC answers nil if there is none. Earlier MACs are preferred.
func byMAC(macs []net.HardwareAddr) (netlink.Link, error) {
	all, err := links()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for _, mac := range macs {
		for _, l := range all {
			if bytes.Equal(l.Attrs().HardwareAddr, mac) {
				return l, nil
			}
		}
	}
	return nil, nil
}

// configure changes only what differs: the interface may carry traffic.
func configure(link netlink.Link, want *agentpb.Interface) error {
	have := link.Attrs()
	rename := want.Name != "" && want.Name != have.Name
	mac, _ := net.ParseMAC(want.Mac)
	newMAC := want.Mac != "" && !bytes.Equal(mac, have.HardwareAddr)
	// The kernel renames only an interface that is down.
	if (rename || newMAC) && have.Flags&net.FlagUp != 0 {
		if err := netlink.LinkSetDown(link); err != nil {
			return fmt.Errorf("set down: %w", err)
		}
	}
	if rename {
		if err := setName(link, want.Name); err != nil {
			return err
		}
	}
	if newMAC {
		if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
			return fmt.Errorf("set MAC: %w", err)
		}
	}
	if want.Mtu != 0 && int(want.Mtu) != have.MTU {
		if err := netlink.LinkSetMTU(link, int(want.Mtu)); err != nil {
			return fmt.Errorf("set MTU %d: %w", want.Mtu, err)
		}
	}
	if want.Flags&unix.IFF_NOARP != 0 {
		if err := netlink.LinkSetARPOff(link); err != nil {
			return fmt.Errorf("set NOARP: %w", err)
		}
	}
	if want.Flags&unix.IFF_PROMISC != 0 {
		if err := netlink.SetPromiscOn(link); err != nil {
			return fmt.Errorf("set PROMISC: %w", err)
		}
	}
	if err := addresses(link, want.Addresses); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}

// renames is how often setName tries: more than NICs are plugged at a time.
const renames = 32

// setName renames an interface. One that is plugged at the same moment can get
// the name that has just been made free: the kernel gives it the first that is.
func setName(link netlink.Link, name string) error {
	var err error
	for range renames {
		if err := makeWay(name); err != nil {
			return err
		}
		if err = netlink.LinkSetName(link, name); err == nil {
			return nil
		}
		if !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	return fmt.Errorf("rename: %w", err)
}

// makeWay renames an interface that has a name which another is to get: both
// may have been plugged in another order than they are wanted in.
func makeWay(name string) error {
	other, err := netlink.LinkByName(name)
	if err != nil {
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		return fmt.Errorf("look for %s: %w", name, err)
	}
	if err := netlink.LinkSetDown(other); err != nil {
		return fmt.Errorf("make way for %s: %w", name, err)
	}
	if err := netlink.LinkSetName(other, fmt.Sprintf("kata%d", other.Attrs().Index)); err != nil {
		return fmt.Errorf("make way for %s: %w", name, err)
	}
	return nil
}

// addresses replaces what the interface has; the link-local address that IPv6
// made is the kernel's.
func addresses(link netlink.Link, want []string) error {
	have, err := addressesOf(link)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	var add []*netlink.Addr
	keep := map[string]bool{}
	for _, text := range want {
		addr, err := netlink.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("%w: address %q: %w", ErrInvalid, text, err)
		}
		if addr.IP.To4() == nil {
			// The host has done duplicate address detection; waiting for it
			// again would leave the address unusable for a second.
			addr.Flags = unix.IFA_F_NODAD
		}
		keep[addr.IPNet.String()] = true
		add = append(add, addr)
	}
	// The old ones go first: with an address go all later ones of its subnet.
	for _, addr := range have {
		if keep[addr.IPNet.String()] || addr.IP.To4() == nil && addr.IP.IsLinkLocalUnicast() && addr.Flags&unix.IFA_F_PERMANENT != 0 {
			continue
		}
		if err := netlink.AddrDel(link, &addr); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("remove address %s: %w", addr.IPNet, err)
		}
	}
	for _, addr := range add {
		if err := netlink.AddrReplace(link, addr); err != nil {
			if errors.Is(err, unix.EACCES) && addr.IP.To4() == nil && withoutIPv6(link.Attrs().Name) {
				continue
			}
			return fmt.Errorf("add address %s: %w", addr.IPNet, err)
		}
	}
	return nil
}

// withoutIPv6 tells whether IPv6 is switched off on an interface, by a sysctl of the
// pod's: the kernel takes no address, route or neighbour of it then, and nobody wants one.
func withoutIPv6(name string) bool {
	data, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6")
	return err == nil && strings.TrimSpace(string(data)) == "1"
}

// RemoveInterface takes an interface's addresses and brings it down; the device
// itself is the host's to unplug.
func RemoveInterface(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return fmt.Errorf("%w: %s", ErrNotFound, name)
		}
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if err := addresses(link, nil); err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if err := netlink.LinkSetDown(link); err != nil {
		return fmt.Errorf("interface %s: set down: %w", name, err)
	}
	return nil
}

// List answers the interfaces as they are, the loopback left out.
func List() ([]*agentpb.Interface, error) {
	all, err := links()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var list []*agentpb.Interface
	for _, link := range all {
		a := link.Attrs()
		if a.Flags&net.FlagLoopback != 0 {
			continue
		}
		i := &agentpb.Interface{DeviceMac: a.HardwareAddr.String(), Mac: a.HardwareAddr.String(), Name: a.Name,
			Mtu: uint32(a.MTU), Flags: a.RawFlags}
		addrs, err := addressesOf(link)
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", a.Name, err)
		}
		for _, addr := range addrs {
			i.Addresses = append(i.Addresses, addr.IPNet.String())
		}
		list = append(list, i)
	}
	return list, nil
}
