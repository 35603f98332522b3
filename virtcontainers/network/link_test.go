package network

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// script runs a line of ip(8) or tc(8) commands in a namespace.
func script(t *testing.T, ns *Namespace, lines ...string) {
	t.Helper()
	for _, line := range lines {
		args := strings.Fields(line)
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("needs iproute2: %v", err)
		}
		unknown := false
		if err := ns.Do(func() error {
			out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
			if unknown = strings.Contains(string(out), "Unknown device type"); err != nil && !unknown {
				t.Errorf("%s: %v: %s", line, err, out)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if unknown {
			t.Skipf("the kernel knows nothing of it: %s", line)
		}
	}
}

func TestScanAndGuest(t *testing.T) {
	c := newCable(t)
	script(t, c.sandbox,
		"ip link set eth0 address 02:00:00:00:00:02",
		"ip route add default via 10.9.0.1 metric 7",
		"ip route add 10.8.0.0/16 dev eth0 scope link src 10.9.0.2",
		"ip route add 10.7.0.0/16 via 192.0.2.1 dev eth0 onlink mtu 1300",
		"ip -6 route add default via fd09::1 metric 9",
		"ip route add blackhole 10.6.0.0/16",
		"ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent",
		"ip neigh add 10.9.0.8 lladdr 02:00:00:00:00:08 dev eth0 nud stale",
	)
	i := scanOne(t, c.sandbox)
	i.Index = 0
	want := Interface{
		Name: "eth0", Type: "veth", MAC: "02:00:00:00:00:02", MTU: 1400,
		Addresses: []string{"10.9.0.2/24", "fd09::2/64"},
		Routes: []Route{
			{Destination: "10.8.0.0/16", Source: "10.9.0.2", Scope: 253, Family: "4"},
			{Gateway: "10.9.0.1", Family: "4", Metric: 7},
			{Destination: "10.7.0.0/16", Gateway: "192.0.2.1", Family: "4", OnLink: true, MTU: 1300},
			{Gateway: "fd09::1", Family: "6", Metric: 9},
		},
		Neighbours: []Neighbour{{Address: "10.9.0.9", MAC: "02:00:00:00:00:09"}},
	}
	if !Same(i, want) {
		t.Errorf("got\n%+v, want\n%+v", i, want)
	}
	_, routes, neighbours := Guest([]Pair{{Interface: i, NIC: NIC{Name: "kata0", MAC: "02:11:11:11:11:11"}}})
	if len(routes) != 4 || *routes[2] != (agentpb.Route{Destination: "10.7.0.0/16", Gateway: "192.0.2.1", Device: "eth0", Family: "4", Flags: 4, Mtu: 1300}) {
		t.Errorf("routes %v", routes)
	}
	if len(neighbours) != 1 || *neighbours[0] != (agentpb.Neighbour{Device: "eth0", Address: "10.9.0.9", Mac: "02:00:00:00:00:09", State: 0x80}) {
		t.Errorf("neighbours %v", neighbours)
	}
}

func TestScanOfAnEmptyNamespace(t *testing.T) {
	ns := namespace(t, "ns")
	tap, err := CreateTap(ns, "kata0", Queues{})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	if found, err := Scan(ns, tap.NIC); err != nil || len(found) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}

// What changes while it is listed is listed again: the kernel marks such a list.
func TestScanWhileAddressesComeAndGo(t *testing.T) {
	ns := newCable(t).sandbox
	h, err := ns.handle()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	link, err := h.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	// A list of more than one message of the kernel's.
	for i := range 1000 {
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 1, byte(i>>8), byte(i)), Mask: net.CIDRMask(32, 32)}}
		if err := h.AddrAdd(link, addr); err != nil {
			t.Fatal(err)
		}
	}
	other, err := ns.handle()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 2, 0, 1), Mask: net.CIDRMask(32, 32)}}
	// They come and go for a while, not for ever: no list would be whole then.
	burst := func() (err error) {
		for range 20 {
			err = errors.Join(err, other.AddrAdd(link, addr), other.AddrDel(link, addr))
		}
		return err
	}
	for range 20 {
		changed := make(chan error)
		go func() { changed <- burst() }()
		found, err := Scan(ns)
		if err != nil || len(found) != 1 || len(found[0].Addresses) < 1001 {
			t.Errorf("%d interfaces, %v", len(found), err)
		}
		if err := <-changed; err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusedLinks(t *testing.T) {
	lower := [...]string{"ip link add lower0 type veth peer name up0", "ip link set up0 up", "ip link set lower0 up"}
	tests := map[string]struct {
		make []string
		says string
	}{
		"tun":     {[]string{"ip tuntap add mode tun name eth0"}, "tun device"},
		"bridge":  {[]string{"ip link add eth0 type bridge"}, "bridge joins"},
		"port":    {[]string{"ip link add br0 type bridge", "ip link add eth0 type veth peer name up0", "ip link set eth0 master br0"}, "port of another"},
		"macvtap": {[]string{"ip link add lower0 type veth peer name up0", "ip link add link lower0 name eth0 type macvtap"}, "macvtap"},
		"vlan":    {append(lower[:], "ip link add link lower0 name eth0 type vlan id 5"), "receives by lower0"},
		"macvlan": {append(lower[:], "ip link add link lower0 name eth0 type macvlan"), "receives by lower0"},
		"ipvlan":  {append(lower[:], "ip link add link lower0 name eth0 type ipvlan mode l2"), "receives by lower0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ns := namespace(t, "ns")
			script(t, ns, append(test.make, "ip link set eth0 up")...)
			found, err := Scan(ns)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(found, func(i Interface) bool { return i.Name == "eth0" })
			if at < 0 {
				t.Fatalf("not found: %+v", found)
			}
			i := found[at]
			if !strings.Contains(i.Refused, test.says) {
				t.Errorf("refused with %q", i.Refused)
			}
			tap, err := CreateTap(ns, "kata0", Queues{})
			if err != nil {
				t.Fatal(err)
			}
			defer tap.Close()
			if _, err := Connect(ns, i, tap.NIC); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("connect answers %v", err)
			}
		})
	}
}

// Other kinds than veth that are redirected: their ingress hook exists and the
// undo works. Traffic is proved with veth.
func TestConnectOtherKinds(t *testing.T) {
	for kind, lines := range map[string][]string{
		"macvlan": {"ip link add lower0 type veth peer name up0", "ip link add link lower0 name eth0 type macvlan mode bridge"},
		"tuntap":  {"ip tuntap add mode tap name eth0"},
	} {
		t.Run(kind, func(t *testing.T) {
			ns := namespace(t, "ns")
			script(t, ns, append(lines, "ip link set eth0 up")...)
			tap, err := CreateTap(ns, "kata0", Queues{Count: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer tap.Close()
			i := scanOne(t, ns, tap.NIC)
			if i.Type != kind {
				t.Errorf("type %q", i.Type)
			}
			pair, err := Connect(ns, i, tap.NIC)
			if err != nil {
				t.Fatal(err)
			}
			if filters(t, ns, "eth0") != 1 || filters(t, ns, "kata0") != 1 {
				t.Error("not redirected")
			}
			if err := Disconnect(ns, pair); err != nil {
				t.Fatal(err)
			}
			if got := ingress(t, ns, "eth0"); got != "" {
				t.Errorf("left a qdisc %s", got)
			}
		})
	}
}

func TestTapEndsWithItsLastQueue(t *testing.T) {
	ns := namespace(t, "ns")
	tap, err := CreateTap(ns, "kata0", Queues{Count: 3})
	if err != nil {
		t.Fatal(err)
	}
	if len(tap.Queues) != 3 {
		t.Errorf("%d queues", len(tap.Queues))
	}
	if _, err := CreateTap(ns, "kata0", Queues{Count: 3}); !errors.Is(err, unix.EEXIST) {
		t.Errorf("the name is taken, yet: %v", err)
	}
	exists := func() bool {
		return ns.Do(func() error { _, err := net.InterfaceByName("kata0"); return err }) == nil
	}
	if !exists() {
		t.Error("the tap is not there")
	}
	if err := tap.Close(); err != nil {
		t.Fatal(err)
	}
	if exists() {
		t.Error("the tap outlived its queues")
	}
	if _, err := CreateTap(ns, "a-name-that-is-too-long", Queues{}); err == nil {
		t.Error("a name beyond 15 bytes was taken")
	}
	if err := tap.NIC.Remove(ns, Interface{}); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}

func TestTapThatStaysGoesWithItsNamespace(t *testing.T) {
	outside := namespace(t, "outside")
	ns, err := NewNamespace(filepath.Join(t.TempDir(), "ns"))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Remove()
	for _, q := range []Queues{{Count: 1, Stay: true}, {Count: 3, Stay: true}, {Count: 2}} {
		name := fmt.Sprintf("kata%d", q.Count)
		tap, err := CreateTap(ns, name, q)
		if err != nil {
			t.Fatal(err)
		}
		if !q.Stay { // told so later
			if err := Stay(tap.Queues[0]); err != nil {
				t.Fatal(err)
			}
		}
		if err := tap.Close(); err != nil {
			t.Fatal(err)
		}
		if _, there := flags(t, ns, name); !there {
			t.Errorf("%s did not stay", name)
		}
	}
	// The other end of a cable tells when the namespace ends: not before all that
	// is in it.
	cable{ns, outside}.in(t, ns, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "eth0"
		return h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "peer0", PeerNamespace: netlink.NsFd(int(outside.file.Fd()))})
	})
	updates, done := make(chan netlink.LinkUpdate, 16), make(chan struct{})
	defer close(done)
	within := netns.NsHandle(outside.file.Fd())
	if err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{Namespace: &within}); err != nil {
		t.Fatal(err)
	}
	if err := ns.Remove(); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(time.Minute)
	for {
		select {
		case u := <-updates:
			if u.Header.Type == unix.RTM_DELLINK && u.Attrs().Name == "peer0" {
				return
			}
		case <-deadline:
			t.Fatal("the namespace has not ended")
		}
	}
}

// A VM that was killed leaves its interface redirected to a tap that is gone;
// another one can follow it.
func TestConnectAfterAKilledVM(t *testing.T) {
	c := newCable(t)
	for range 2 {
		tap, err := CreateTap(c.sandbox, "kata0", Queues{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Connect(c.sandbox, scanOne(t, c.sandbox, tap.NIC), tap.NIC); err != nil {
			t.Fatal(err)
		}
		if n := filters(t, c.sandbox, "eth0"); n != 1 {
			t.Errorf("%d filters on eth0", n)
		}
		tap.Close()
	}
	i := scanOne(t, c.sandbox)
	if err := Disconnect(c.sandbox, Pair{Interface: i, NIC: NIC{Name: "kata0"}}); err != nil {
		t.Fatal(err)
	}
	if got := ingress(t, c.sandbox, "eth0"); got != "" {
		t.Errorf("left a qdisc %s", got)
	}
}

func TestConnectKeepsAnEnginesClsact(t *testing.T) {
	c := newCable(t)
	script(t, c.sandbox, "tc qdisc add dev eth0 clsact")
	tap, err := CreateTap(c.sandbox, "kata0", Queues{})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	pair, err := Connect(c.sandbox, scanOne(t, c.sandbox, tap.NIC), tap.NIC)
	if err != nil {
		t.Fatal(err)
	}
	if n := filters(t, c.sandbox, "eth0"); n != 1 {
		t.Errorf("%d filters on eth0", n)
	}
	if err := Disconnect(c.sandbox, pair); err != nil {
		t.Fatal(err)
	}
	if got, n := ingress(t, c.sandbox, "eth0"), filters(t, c.sandbox, "eth0"); got != "clsact" || n != 0 {
		t.Errorf("afterwards qdisc %q with %d filters", got, n)
	}
}

func TestConnectRefusesASecondTap(t *testing.T) {
	c := newCable(t)
	var nics []NIC
	for _, name := range []string{"kata0", "kata1"} {
		tap, err := CreateTap(c.sandbox, name, Queues{})
		if err != nil {
			t.Fatal(err)
		}
		defer tap.Close()
		nics = append(nics, tap.NIC)
	}
	i := scanOne(t, c.sandbox, nics...)
	if _, err := Connect(c.sandbox, i, nics[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(c.sandbox, i, nics[1]); err == nil {
		t.Error("connected to two taps")
	}
	if n := filters(t, c.sandbox, "eth0"); n != 1 {
		t.Errorf("%d filters on eth0: the first connection was touched", n)
	}
	if got := ingress(t, c.sandbox, "kata1"); got != "" {
		t.Errorf("kata1 is left with a qdisc %s", got)
	}
}

func TestConfigValidate(t *testing.T) {
	for _, test := range []struct {
		c  Config
		ok bool
	}{
		{Default(), true},
		{Config{Model: "macvtap"}, true},
		{Config{Model: "none", DisableNewNetNS: true}, true},
		{Config{Model: "tcfilter", DisableNewNetNS: true}, false},
		{Config{Model: "bridged"}, false},
		{Config{}, false},
	} {
		if err := test.c.Validate(); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test.c, err)
		}
	}
}
