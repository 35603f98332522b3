package network

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/dump"
)

// filterPriority is our filter's place among those of an interface: the first,
// so that no other takes frames away.
const filterPriority = 1

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

// redirected tells whether our filter to the link with index target is there.
// A filter whose target is gone (the tap of a VM that ended) is deleted.
func redirected(h *netlink.Handle, from netlink.Link, target int) (bool, error) {
	filters, err := ourFilters(h, from)
	if err != nil {
		return false, err
	}
	for _, f := range filters {
		if f.target == target {
			return true, nil
		}
		if _, err := h.LinkByIndex(f.target); err == nil {
			return false, fmt.Errorf("%s is redirected to another interface already (index %d)", from.Attrs().Name, f.target)
		}
		if err := h.FilterDel(f.filter); err != nil {
			return false, fmt.Errorf("delete an old redirection of %s: %w", from.Attrs().Name, err)
		}
	}
	return false, nil
}

// unredirect deletes our filter to to, or to a link that is gone, and the
// ingress qdisc if no filter is left on it.
func unredirect(h *netlink.Handle, from, to netlink.Link) error {
	name := from.Attrs().Name
	filters, err := ourFilters(h, from)
	if err != nil {
		return err
	}
	for _, f := range filters {
		if to == nil || f.target != to.Attrs().Index {
			if _, err := h.LinkByIndex(f.target); err == nil {
				continue
			}
		}
		if err := h.FilterDel(f.filter); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete the redirection of %s: %w", name, err)
		}
	}
	qdiscs, err := dump.Whole(func() ([]netlink.Qdisc, error) { return h.QdiscList(from) })
	if err != nil {
		return fmt.Errorf("list qdiscs of %s: %w", name, err)
	}
	for _, q := range qdiscs {
		if q.Type() != "ingress" {
			continue
		}
		left, err := filtersOf(h, from)
		if err != nil {
			return fmt.Errorf("list filters of %s: %w", name, err)
		}
		if len(left) > 0 {
			continue
		}
		if err := h.QdiscDel(q); err != nil && !gone(err) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete the ingress qdisc of %s: %w", name, err)
		}
	}
	return nil
}

// ours is a filter that redirects all to the link with index target.
type ours struct {
	filter netlink.Filter
	target int
}

// filtersOf lists the filters for what comes in by a link.
func filtersOf(h *netlink.Handle, link netlink.Link) ([]netlink.Filter, error) {
	return dump.Whole(func() ([]netlink.Filter, error) { return h.FilterList(link, netlink.HANDLE_MIN_INGRESS) })
}

func ourFilters(h *netlink.Handle, link netlink.Link) ([]ours, error) {
	filters, err := filtersOf(h, link)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || gone(err) {
		// No ingress qdisc, or no link any more.
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list filters of %s: %w", link.Attrs().Name, err)
	}
	var found []ours
	for _, f := range filters {
		if f.Attrs().Priority != filterPriority {
			continue
		}
		var actions []netlink.Action
		switch f := f.(type) {
		case *netlink.U32:
			actions = f.Actions
		case *netlink.MatchAll:
			actions = f.Actions
		}
		for _, a := range actions {
			if m, ok := a.(*netlink.MirredAction); ok && m.MirredAction == netlink.TCA_EGRESS_REDIR {
				found = append(found, ours{f, m.Ifindex})
			}
		}
	}
	return found, nil
}
