package network

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cable is a veth pair: eth0 in a sandbox's namespace, as an engine makes it,
// and its peer in another.
type cable struct{ sandbox, peer *Namespace }

func newCable(t *testing.T) cable {
	t.Helper()
	c := cable{namespace(t, "sandbox"), namespace(t, "peer")}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = "eth0", 1400
	c.in(t, c.sandbox, func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "peer0", PeerNamespace: netlink.NsFd(int(c.peer.file.Fd()))})
	})
	c.in(t, c.peer, func(h *netlink.Handle) error {
		return configure(h, "peer0", "", 1400, "10.9.0.1/24", "fd09::1/64")
	})
	c.in(t, c.sandbox, func(h *netlink.Handle) error {
		return configure(h, "eth0", "", 1400, "10.9.0.2/24", "fd09::2/64")
	})
	return c
}

func (c cable) in(t *testing.T, ns *Namespace, f func(*netlink.Handle) error) {
	t.Helper()
	h, err := ns.handle()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := f(h); err != nil {
		t.Fatal(err)
	}
}

// configure does with a link what the agent does in the guest.
func configure(h *netlink.Handle, name, mac string, mtu int, addresses ...string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	if mac != "" {
		hw, err := net.ParseMAC(mac)
		if err != nil {
			return err
		}
		if err := h.LinkSetHardwareAddr(link, hw); err != nil {
			return err
		}
	}
	if err := h.LinkSetMTU(link, mtu); err != nil {
		return err
	}
	for _, text := range addresses {
		addr, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		if addr.IP.To4() == nil {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return h.LinkSetUp(link)
}

// boot stands in for a VM: a namespace whose tap is wired to the NIC's first
// queue by copying frames, and set up as the agent is told to.
func boot(t *testing.T, tap *Tap, pair Pair) *Namespace {
	t.Helper()
	guest := namespace(t, "guest")
	inner, err := CreateTap(guest, "nic", Queues{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := pollable(t, tap.Queues[0]), pollable(t, inner.Queues[0])
	inner.Close()
	var wg sync.WaitGroup
	for _, way := range [][2]*os.File{{a, b}, {b, a}} {
		wg.Go(func() {
			frame := make([]byte, 1<<17)
			for {
				n, err := way[0].Read(frame)
				if errors.Is(err, unix.EIO) {
					continue // the tap is down yet
				}
				if err != nil {
					return
				}
				if _, err := way[1].Write(frame[:n]); err != nil && !errors.Is(err, unix.EIO) && !errors.Is(err, unix.EINVAL) {
					return
				}
			}
		})
	}
	t.Cleanup(func() { a.Close(); b.Close(); wg.Wait() })
	interfaces, _, _ := Guest([]Pair{pair})
	i := interfaces[0]
	if i.DeviceMac != tap.NIC.MAC {
		t.Errorf("the guest is to look for %s, the NIC has %s", i.DeviceMac, tap.NIC.MAC)
	}
	h, err := guest.handle()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := configure(h, "nic", i.Mac, int(i.Mtu), i.Addresses...); err != nil {
		t.Fatal(err)
	}
	return guest
}

func pollable(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.Dup(int(f.Fd()))
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), f.Name())
}

// talk sends bytes over TCP from one namespace to a listener in another and
// back again.
func talk(t *testing.T, from, to *Namespace, address string) {
	t.Helper()
	var l net.Listener
	if err := to.Do(func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(address, "7")); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.Copy(conn, conn)
	}()
	var conn net.Conn
	if err := from.Do(func() (err error) { conn, err = net.Dial("tcp", l.Addr().String()); return err }); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	go func() {
		conn.Write(sent)
		conn.(*net.TCPConn).CloseWrite()
	}()
	if got, err := io.ReadAll(conn); err != nil || !slices.Equal(got, sent) {
		t.Errorf("%s echoed %d bytes of %d, or others: %v", address, len(got), len(sent), err)
	}
}

func scanOne(t *testing.T, ns *Namespace, own ...NIC) Interface {
	t.Helper()
	found, err := Scan(ns, own...)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("found %d interfaces: %+v", len(found), found)
	}
	return found[0]
}

func TestTCFilterCarriesTraffic(t *testing.T) {
	c := newCable(t)
	// The order of a sandbox: the tap first, the interface found later.
	tap, err := CreateTap(c.sandbox, "kata0", Queues{})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	i := scanOne(t, c.sandbox, tap.NIC)
	var pair Pair
	for range 2 { // `start` does again what `create` did
		if pair, err = Connect(c.sandbox, i, tap.NIC); err != nil {
			t.Fatal(err)
		}
	}
	if got := filters(t, c.sandbox, "eth0"); got != 1 {
		t.Errorf("%d filters on eth0 after connecting twice", got)
	}
	guest := boot(t, tap, pair)
	talk(t, c.peer, guest, "10.9.0.2")
	talk(t, guest, c.peer, "10.9.0.1")
	talk(t, c.peer, guest, "fd09::2")
	talk(t, guest, c.peer, "fd09::1")
	for range 2 {
		if err := Disconnect(c.sandbox, pair); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"eth0", "kata0"} {
		if got := ingress(t, c.sandbox, name); got != "" {
			t.Errorf("%s still has a qdisc %s", name, got)
		}
	}
	// The interface is the host's again.
	talk(t, c.peer, c.sandbox, "10.9.0.2")
}

func TestMacvtapCarriesTraffic(t *testing.T) {
	c := newCable(t)
	i := scanOne(t, c.sandbox)
	tap, err := CreateMacvtap(c.sandbox, i, "kata0", Queues{})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	pair, err := Connect(c.sandbox, i, tap.NIC)
	if err != nil {
		t.Fatal(err)
	}
	guest := boot(t, tap, pair)
	talk(t, c.peer, guest, "10.9.0.2")
	talk(t, guest, c.peer, "fd09::1")
	for range 2 {
		if err := tap.NIC.Remove(c.sandbox, i); err != nil {
			t.Fatal(err)
		}
	}
	if got := scanOne(t, c.sandbox); got.MAC != i.MAC || !slices.Equal(got.Addresses, i.Addresses) {
		t.Errorf("afterwards %+v, before %+v", got, i)
	}
	talk(t, c.peer, c.sandbox, "10.9.0.2")
}

func filters(t *testing.T, ns *Namespace, name string) int {
	t.Helper()
	n := 0
	cable{}.in(t, ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		found, err := h.FilterList(link, netlink.HANDLE_MIN_INGRESS)
		n = len(found)
		return err
	})
	return n
}

func ingress(t *testing.T, ns *Namespace, name string) string {
	t.Helper()
	found := ""
	cable{}.in(t, ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		qdiscs, err := h.QdiscList(link)
		for _, q := range qdiscs {
			if q.Attrs().Parent == netlink.HANDLE_INGRESS {
				found = q.Type()
			}
		}
		return err
	})
	return found
}
