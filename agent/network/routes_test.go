package network

import (
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// twoInterfaces gives the test a namespace with eth0 and eth1.
func twoInterfaces(t *testing.T) {
	t.Helper()
	inNamespace(t)
	dummy(t, "eth0", "02:00:00:00:00:01")
	dummy(t, "eth1", "02:00:00:00:00:02")
	if _, err := UpdateInterfaces(t.Context(), []*agentpb.Interface{
		{DeviceMac: "02:00:00:00:00:01", Name: "eth0", Addresses: []string{"10.1.2.3/24", "fd00:1::3/64"}},
		{DeviceMac: "02:00:00:00:00:02", Name: "eth1", Addresses: []string{"10.1.3.3/24", "fd00:2::3/64"}},
	}); err != nil {
		t.Fatal(err)
	}
}

// ways are the routes in short: destination, gateway and interface.
func ways(t *testing.T) []string {
	t.Helper()
	list, err := ListRoutes()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range list {
		all = append(all, r.Destination+" "+r.Gateway+" "+r.Device)
	}
	slices.Sort(all)
	return all
}

func mustUpdate(t *testing.T, routes ...*agentpb.Route) {
	t.Helper()
	if err := UpdateRoutes(routes); err != nil {
		t.Fatal(err)
	}
}

func TestARefusedRouteTakesNoOtherAway(t *testing.T) {
	twoInterfaces(t)
	first := &agentpb.Route{Gateway: "10.1.2.1", Device: "eth0"}
	mustUpdate(t, first)
	if err := UpdateRoutes([]*agentpb.Route{
		{Destination: "10.9.0.0/16", Gateway: "10.99.0.1", Device: "eth0"}, first,
	}); err == nil {
		t.Error("a gateway that cannot be reached was taken")
	}
	if got := ways(t); !slices.Equal(got, []string{" 10.1.2.1 eth0"}) {
		t.Errorf("%q are left", got)
	}
}

// A container that runs keeps its routes while others change.
func TestRoutesThatStayAreNotTouched(t *testing.T) {
	twoInterfaces(t)
	keep := []*agentpb.Route{{Gateway: "10.1.2.1", Device: "eth0"}, {Destination: "10.9.0.0/16", Gateway: "10.1.3.1", Device: "eth1"}}
	mustUpdate(t, append(keep, &agentpb.Route{Destination: "10.8.0.0/16", Gateway: "10.1.3.1", Device: "eth1"})...)
	changes, done := make(chan netlink.RouteUpdate, 100), make(chan struct{})
	defer close(done)
	if err := netlink.RouteSubscribe(changes, done); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, append(keep, &agentpb.Route{Destination: "10.7.0.0/16", Gateway: "10.1.2.1", Device: "eth0"})...)
	for {
		change := <-changes
		if change.Type != unix.RTM_DELROUTE {
			continue
		}
		if to := change.Dst.String(); to != "10.8.0.0/16" {
			t.Errorf("the route to %s was removed", to)
		}
		break // it was the last change
	}
}

// over is a default route over a gateway and an interface, either family's.
func over(gateway, device string) *agentpb.Route {
	return &agentpb.Route{Gateway: gateway, Device: device}
}

func TestRoutesOfTheSameKey(t *testing.T) {
	plain := &agentpb.Route{Device: "eth0", Family: "6"}
	for name, test := range map[string]struct {
		have []*agentpb.Route // one is appended to the other
		want *agentpb.Route
	}{
		"another gateway":   {[]*agentpb.Route{over("10.1.2.1", "eth0")}, over("10.1.2.9", "eth0")},
		"another interface": {[]*agentpb.Route{over("10.1.2.1", "eth0")}, over("10.1.3.1", "eth1")},
		"another metric":    {[]*agentpb.Route{over("10.1.2.1", "eth0")}, &agentpb.Route{Gateway: "10.1.2.1", Device: "eth0", Metric: 7}},
		"the first of two":  {[]*agentpb.Route{over("10.1.2.1", "eth0"), over("10.1.2.9", "eth0")}, over("10.1.2.1", "eth0")},
		"the second of two": {[]*agentpb.Route{over("10.1.2.1", "eth0"), over("10.1.2.9", "eth0")}, over("10.1.2.9", "eth0")},
		"none of two":       {[]*agentpb.Route{over("10.1.2.1", "eth0"), over("10.1.2.9", "eth0")}, over("10.1.3.1", "eth1")},

		"IPv6: another gateway":     {[]*agentpb.Route{over("fd00:1::1", "eth0")}, over("fd00:1::9", "eth0")},
		"IPv6: another interface":   {[]*agentpb.Route{over("fd00:1::1", "eth0")}, over("fd00:2::1", "eth1")},
		"IPv6: a gateway, now":      {[]*agentpb.Route{plain}, over("fd00:1::1", "eth0")},
		"IPv6: no gateway any more": {[]*agentpb.Route{over("fd00:1::1", "eth0")}, plain},
		"IPv6: with, the second":    {[]*agentpb.Route{plain, over("fd00:1::1", "eth0")}, over("fd00:1::1", "eth0")},
		"IPv6: with, the first":     {[]*agentpb.Route{over("fd00:1::1", "eth0"), plain}, over("fd00:1::1", "eth0")},
		"IPv6: without, of both":    {[]*agentpb.Route{over("fd00:1::1", "eth0"), plain}, plain},
		"IPv6: one of two gateways": {[]*agentpb.Route{over("fd00:1::1", "eth0"), over("fd00:1::2", "eth0")}, over("fd00:1::2", "eth0")},
	} {
		t.Run(name, func(t *testing.T) {
			twoInterfaces(t)
			for _, r := range test.have {
				parsed, err := parseRoute(r)
				if err != nil {
					t.Fatal(err)
				}
				if err := netlink.RouteAppend(&parsed); err != nil {
					t.Fatal(err)
				}
			}
			own := kernels(t)
			want := []string{test.want.Destination + " " + test.want.Gateway + " " + test.want.Device}
			for range 2 {
				mustUpdate(t, test.want)
				if got := ways(t); !slices.Equal(got, want) {
					t.Errorf("routes %q, want %q", got, want)
				}
			}
			if got := kernels(t); got != own {
				t.Errorf("the kernel has %d routes of its own, had %d", got, own)
			}
		})
	}
}

// kernels answers how many of the main table's routes the kernel has made.
func kernels(t *testing.T) int {
	t.Helper()
	filter := &netlink.Route{Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_KERNEL}
	list, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
