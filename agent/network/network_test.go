package network

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// inNamespace gives the test a network namespace of its own, in a thread that
// is thrown away with it.
func inNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespace: ", err)
	}
}

func dummy(t *testing.T, name, mac string) {
	t.Helper()
	hw, err := parseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, HardwareAddr: hw}, PeerName: name + "p"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
}

func TestInterfaceRoutesNeighbours(t *testing.T) {
	inNamespace(t)
	dummy(t, "eth0", "02:00:00:00:00:02")
	dummy(t, "eth1", "02:00:00:00:00:01")
	want := &agentpb.Interface{DeviceMac: "02:00:00:00:00:01", Name: "eth0", Mac: "02:00:00:00:00:aa", Mtu: 1400,
		Addresses: []string{"10.1.2.3/24", "fd00::3/64"}}
	for range 2 { // again: by the new MAC
		list, err := UpdateInterfaces(context.Background(), []*agentpb.Interface{want})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(i *agentpb.Interface) bool { return i.Name == "eth0" })
		if i < 0 || list[i].Mac != want.Mac || list[i].Mtu != 1400 || !slices.Contains(list[i].Addresses, "10.1.2.3/24") || !slices.Contains(list[i].Addresses, "fd00::3/64") {
			t.Fatalf("%+v", list)
		}
	}
	routes := []*agentpb.Route{
		{Gateway: "10.1.2.1", Device: "eth0"},
		{Destination: "10.9.0.0/16", Device: "eth0", Scope: 253},
		{Gateway: "fd00::1", Device: "eth0"},
	}
	for range 2 {
		if err := UpdateRoutes(routes); err != nil {
			t.Fatal(err)
		}
	}
	have, err := ListRoutes()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if !slices.ContainsFunc(have, func(h *agentpb.Route) bool {
			return h.Destination == r.Destination && h.Gateway == r.Gateway && h.Device == "eth0"
		}) {
			t.Errorf("no route %v in %v", r, have)
		}
	}
	if err := UpdateRoutes(routes[1:2]); err != nil {
		t.Fatal(err)
	}
	if have, err := ListRoutes(); err != nil || len(have) != 1 {
		t.Errorf("%v, %v", have, err)
	}
	if err := AddNeighbours([]*agentpb.Neighbour{{Device: "eth0", Address: "10.1.2.1", Mac: "02:00:00:00:00:bb"}}); err != nil {
		t.Error(err)
	}
	want.Addresses = []string{"10.1.2.4/24"}
	list, err := UpdateInterfaces(context.Background(), []*agentpb.Interface{want})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(i *agentpb.Interface) bool { return i.Name == "eth0" })
	if slices.Contains(list[i].Addresses, "10.1.2.3/24") || !slices.Contains(list[i].Addresses, "10.1.2.4/24") {
		t.Errorf("addresses %v", list[i].Addresses)
	}
	stats, err := Stats()
	if err != nil || !slices.ContainsFunc(stats, func(s *agentpb.InterfaceStats) bool { return s.Name == "eth0" }) {
		t.Errorf("stats %v, %v", stats, err)
	}
	if err := RemoveInterface("eth0"); err != nil {
		t.Error(err)
	}
	if err := RemoveInterface("eth9"); !errors.Is(err, ErrNotFound) {
		t.Errorf("RemoveInterface = %v", err)
	}
	_, err = UpdateInterfaces(context.Background(), []*agentpb.Interface{{DeviceMac: "02:00:00:00:00:09"}})
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("an interface that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = UpdateInterfaces(ctx, []*agentpb.Interface{{DeviceMac: "02:00:00:00:00:09", Address: "02/00"}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("an interface that never comes: %v", err)
	}
}

// TestIPv6SwitchedOff: a pod's sysctl switches IPv6 off where the engine has given
// an address of it, and the engine's list comes again later.
func TestIPv6SwitchedOff(t *testing.T) {
	inNamespace(t)
	dummy(t, "eth0", "02:00:00:00:00:01")
	want := []*agentpb.Interface{{DeviceMac: "02:00:00:00:00:01", Name: "eth0", Addresses: []string{"10.1.2.3/24", "fd00::3/64"}}}
	routes := []*agentpb.Route{{Gateway: "10.1.2.1", Device: "eth0"}, {Destination: "fd01::/64", Gateway: "fd00::1", Device: "eth0"},
		{Destination: "fd00::1/128", Device: "eth0"}}
	neighbours := []*agentpb.Neighbour{{Device: "eth0", Address: "fd00::1", Mac: "02:00:00:00:00:bb"}}
	set := func(value string) {
		t.Helper()
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", []byte(value), 0); err != nil {
			t.Skip("IPv6 cannot be switched: ", err)
		}
	}
	for _, value := range []string{"0", "1", "1"} {
		set(value)
		list, err := UpdateInterfaces(context.Background(), want)
		if err != nil {
			t.Fatalf("disable_ipv6=%s: %v", value, err)
		}
		i := slices.IndexFunc(list, func(i *agentpb.Interface) bool { return i.Name == "eth0" })
		if !slices.Contains(list[i].Addresses, "10.1.2.3/24") || slices.Contains(list[i].Addresses, "fd00::3/64") != (value == "0") {
			t.Errorf("disable_ipv6=%s: addresses %v", value, list[i].Addresses)
		}
		if err := UpdateRoutes(routes); err != nil {
			t.Errorf("disable_ipv6=%s: %v", value, err)
		}
		if err := AddNeighbours(neighbours); err != nil {
			t.Errorf("disable_ipv6=%s: %v", value, err)
		}
	}
	// A mistake is one all the same.
	set("0")
	if err := UpdateRoutes([]*agentpb.Route{{Destination: "fd01::/64", Gateway: "fd0f::1", Device: "eth0"}}); err == nil {
		t.Error("a route over a gateway that cannot be reached is taken")
	}
}

func TestInvalid(t *testing.T) {
	for name, i := range map[string]*agentpb.Interface{
		"MAC":     {DeviceMac: "x"},
		"new MAC": {DeviceMac: "02:00:00:00:00:01", Mac: "02:00"},
		"name":    {DeviceMac: "02:00:00:00:00:01", Name: "a/b"},
		"length":  {DeviceMac: "02:00:00:00:00:01", Name: "0123456789abcdef"},
		"address": {DeviceMac: "02:00:00:00:00:01", Addresses: []string{"10.0.0.1"}},
	} {
		if err := check(i); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, r := range map[string]*agentpb.Route{
		"destination": {Device: "lo", Destination: "x"}, "gateway": {Device: "lo", Gateway: "x"}, "source": {Device: "lo", Source: "x"},
		"device": {Device: "a b"}, "scope": {Device: "lo", Scope: 300}, "family": {Device: "lo", Family: "5"},
		"mix": {Device: "lo", Destination: "10.0.0.0/8", Gateway: "fd00::1"},
	} {
		if _, err := parseRoute(r); !errors.Is(err, ErrInvalid) {
			t.Errorf("route %s: %v", name, err)
		}
	}
}
