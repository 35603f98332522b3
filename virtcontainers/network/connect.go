package network

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Connect lets the NIC carry the interface's traffic and answers the pair. It
// may be repeated: what is there already stays. After an error the interface
// is as it was.
//
// With tcfilter every frame that comes in on one of the two goes out on the
// other, before the host's own stack sees it. So the host never answers ARP or
// neighbour solicitations for the addresses, which can stay on the interface,
// where engines look for them.
func Connect(ns *Namespace, i Interface, nic NIC) (Pair, error) {
	pair := Pair{Interface: i, NIC: nic}
	if i.Refused != "" {
		return Pair{}, fmt.Errorf("connect %s (%s): %w: %s", i.Name, i.Type, ErrUnsupported, i.Refused)
	}
	if nic.Model == ModelMacvtap {
		if nic.Link != i.Name {
			return Pair{}, fmt.Errorf("connect %s: NIC %s is a macvtap of %s", i.Name, nic.Name, nic.Link)
		}
		return pair, nil
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

// Our filter's place among those of an interface: the first, so that no other
// takes frames away, with a handle by which undo finds it.
const (
	filterPriority = 1
	// filterHandle is hash table 0x800, bucket 0, node 0x800: the one that u32
	// itself gives to the first filter (net/sched/cls_u32.c, gen_new_kid).
	filterHandle = 0x80000800
)

// redirect sends all that comes in on from out on to.
func redirect(h *netlink.Handle, from, to netlink.Link) error {
	name := from.Attrs().Name
	qdisc := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: from.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS,
	}}
	// EEXIST: ours from a call before, or an engine's, clsact too: both have the
	// ingress hook that the filter goes to.
	if err := h.QdiscAdd(qdisc); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("ingress qdisc on %s: %w", name, err)
	}
	found, err := redirected(h, from, to.Attrs().Index)
	if err != nil || found {
		return err
	}
	attrs := netlink.FilterAttrs{
		LinkIndex: from.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS,
		Priority: filterPriority, Protocol: unix.ETH_P_ALL,
	}
	action := []netlink.Action{netlink.NewMirredAction(to.Attrs().Index)}
	err = h.FilterAdd(&netlink.U32{FilterAttrs: attrs, Actions: action})
	if errors.Is(err, unix.ENOENT) {
		// The kernel has no cls_u32; matchall does the same.
		err = h.FilterAdd(&netlink.MatchAll{FilterAttrs: attrs, Actions: action})
	}
	if err != nil {
		return fmt.Errorf("redirect %s to %s: %w (the kernel needs cls_u32 or cls_matchall, and act_mirred)", name, to.Attrs().Name, err)
	}
	return nil
}

// redirected tells whether our filter is there. A filter whose target is gone
// is deleted: the tap of a VM that ended.
func redirected(h *netlink.Handle, from netlink.Link, target int) (bool, error) {
	return false, nil
}

// unredirect deletes our filter, and the qdisc if nobody else has a filter on it.
func unredirect(h *netlink.Handle, from, to netlink.Link) error {
	return nil
}
