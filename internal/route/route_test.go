package route

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func cidr(t *testing.T, s string) *net.IPNet {
	t.Helper()
	ip, network, err := net.ParseCIDR(s)
	if err != nil {
		t.Fatal(err)
	}
	network.IP = ip
	return network
}

func TestOf(t *testing.T) {
	for name, test := range map[string]struct {
		kernel netlink.Route
		want   Route
	}{
		"default": {netlink.Route{Family: netlink.FAMILY_V4, Dst: cidr(t, "0.0.0.0/0"), Gw: net.ParseIP("10.0.0.1"), Priority: 7},
			Route{Gateway: "10.0.0.1", Family: "4", Metric: 7}},
		"default without a destination": {netlink.Route{Family: netlink.FAMILY_V6, Gw: net.ParseIP("fe80::1")},
			Route{Gateway: "fe80::1", Family: "6"}},
		"on the link": {netlink.Route{Family: netlink.FAMILY_V4, Dst: cidr(t, "10.0.0.0/8"), Src: net.ParseIP("10.0.0.2"),
			Scope: unix.RT_SCOPE_LINK, MTU: 1400, Flags: unix.RTNH_F_ONLINK},
			Route{Destination: "10.0.0.0/8", Source: "10.0.0.2", Family: "4", Scope: 253, MTU: 1400, Flags: 4}},
		"the half of all": {netlink.Route{Family: netlink.FAMILY_V4, Dst: cidr(t, "0.0.0.0/1")}, Route{Destination: "0.0.0.0/1", Family: "4"}},
	} {
		if got := Of(test.kernel); got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestMade(t *testing.T) {
	for _, test := range []struct {
		protocol, kind int
		want           bool
	}{
		{unix.RTPROT_STATIC, unix.RTN_UNICAST, true}, {unix.RTPROT_BOOT, unix.RTN_UNICAST, true},
		{unix.RTPROT_KERNEL, unix.RTN_UNICAST, false}, {unix.RTPROT_RA, unix.RTN_UNICAST, false},
		{unix.RTPROT_STATIC, unix.RTN_BLACKHOLE, false},
	} {
		r := netlink.Route{Protocol: netlink.RouteProtocol(test.protocol), Type: test.kind}
		if Made(r) != test.want {
			t.Errorf("%+v: %v", test, !test.want)
		}
	}
}
