package network

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// Tie answers the pair of an interface and the NIC that is to carry its traffic,
// as Connect answers it. Nothing is changed: it is for who notes the pair before.
func Tie(i Interface, nic NIC) (Pair, error) {
	pair := Pair{Interface: i, NIC: nic}
	switch {
	case i.Refused != "":
		return Pair{}, fmt.Errorf("connect %s (%s): %w: %s", i.Name, i.Type, ErrUnsupported, i.Refused)
	case nic.Model == ModelMacvtap && nic.Link != i.Name:
		return Pair{}, fmt.Errorf("connect %s: NIC %s is a macvtap of %s", i.Name, nic.Name, nic.Link)
	case nic.Model == ModelMacvtap && nic.Below != nil:
		pair.Interface = *nic.Below
	}
	return pair, nil
}

// Connect lets the NIC carry the interface's traffic and answers the pair. It
// may be repeated: what is there already stays. After an error the interface
// is as it was.
//
// With tcfilter every frame that comes in on one of the two goes out on the
// other, before the host's own stack sees it. So the host never answers ARP or
// neighbour solicitations for the addresses, which can stay on the interface,
// where engines look for them.
func Connect(ns *Namespace, i Interface, nic NIC) (Pair, error) {
	pair, err := Tie(i, nic)
	if err != nil || nic.Model == ModelMacvtap {
		return pair, err
	}
	h, err := ns.handle()
	if err != nil {
		return Pair{}, err
	}
	defer h.Close()
	link, err := h.LinkByName(i.Name)
	if err != nil {
		return Pair{}, fmt.Errorf("connect %s: %w", i.Name, err)
	}
	tap, err := h.LinkByName(nic.Name)
	if err != nil {
		return Pair{}, fmt.Errorf("connect %s to tap %s: %w", i.Name, nic.Name, err)
	}
	if err := tcfilter(h, link, tap); err != nil {
		return Pair{}, errors.Join(fmt.Errorf("connect %s to tap %s: %w", i.Name, nic.Name, err), unredirect(h, link, tap), unredirect(h, tap, link))
	}
	return pair, nil
}

// Disconnect takes Connect's redirection back. What is gone already is no error.
func Disconnect(ns *Namespace, p Pair) error {
	if p.NIC.Model == ModelMacvtap {
		return nil
	}
	h, err := ns.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.LinkByName(p.Interface.Name)
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("disconnect %s: %w", p.Interface.Name, err)
	}
	tap, err := h.LinkByName(p.NIC.Name)
	if err != nil && !gone(err) {
		return fmt.Errorf("disconnect %s: %w", p.NIC.Name, err)
	}
	if err != nil {
		tap = nil
	}
	err = unredirect(h, link, tap)
	if tap != nil {
		err = errors.Join(err, unredirect(h, tap, link))
	}
	if err != nil {
		return fmt.Errorf("disconnect %s: %w", p.Interface.Name, err)
	}
	return nil
}

func tcfilter(h *netlink.Handle, link, tap netlink.Link) error {
	// Frames that fit the interface must fit the tap: the guest gets the same MTU.
	if err := h.LinkSetMTU(tap, link.Attrs().MTU); err != nil {
		return fmt.Errorf("MTU %d: %w", link.Attrs().MTU, err)
	}
	if err := redirect(h, link, tap); err != nil {
		return err
	}
	if err := redirect(h, tap, link); err != nil {
		return err
	}
	for _, l := range []netlink.Link{tap, link} {
		if l.Attrs().Flags&net.FlagUp != 0 {
			continue
		}
		if err := h.LinkSetUp(l); err != nil {
			return fmt.Errorf("bring %s up: %w", l.Attrs().Name, err)
		}
	}
	return nil
}
