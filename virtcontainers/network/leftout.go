package network

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/dump"
)

// The kernel's own rules have these priorities (net/ipv4/fib_rules.c,
// fib_default_rules_init); the first of them is told without one.
const mainRule, defaultRule = 32766, 32767

// LeftOut answers in words what of a namespace's routing a guest does not get:
// rules, other tables, and routes of the main table that Scan passes over
// because they are no plain ones (over several gateways or one of the other
// family; blackhole and its like).
func LeftOut(ns *Namespace) ([]string, error) {
	h, err := ns.handle()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	var left []string
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rules, err := dump.Whole(func() ([]netlink.Rule, error) { return h.RuleList(family) })
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list rules of %s: %w", ns.path, err)
		}
		for _, r := range rules {
			if r.Priority > 0 && r.Priority != mainRule && r.Priority != defaultRule {
				left = append(left, r.String())
			}
		}
		routes, err := dump.Whole(func() ([]netlink.Route, error) {
			return h.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, fmt.Errorf("list routes of %s: %w", ns.path, err)
		}
		for _, r := range routes {
			if passedOver(r) {
				left = append(left, "route "+r.String())
			}
		}
	}
	return left, nil
}

func passedOver(r netlink.Route) bool {
	switch {
	case r.Protocol == unix.RTPROT_KERNEL || r.Protocol == unix.RTPROT_RA:
		return false
	case r.Table != unix.RT_TABLE_MAIN:
		return r.Table != unix.RT_TABLE_LOCAL
	}
	return r.Type != unix.RTN_UNICAST || len(r.MultiPath) > 0 || r.Via != nil
}
