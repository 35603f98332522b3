package network

import (
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The host's interface keeps the addresses that the guest has too. The guest's
// duplicate address detection (RFC 4862, section 5.4) must not notice.
func TestHostDoesNotDefendTheGuestsAddresses(t *testing.T) {
	c := newCable(t)
	tap, err := CreateTap(c.sandbox, "kata0", Queues{})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	pair, err := Connect(c.sandbox, scanOne(t, c.sandbox, tap.NIC), tap.NIC)
	if err != nil {
		t.Fatal(err)
	}
	addresses := pair.Interface.Addresses
	pair.Interface.Addresses = nil
	guest := boot(t, tap, pair)

	updates, done := make(chan netlink.AddrUpdate), make(chan struct{})
	defer close(done)
	at := netns.NsHandle(guest.file.Fd())
	if err := netlink.AddrSubscribeWithOptions(updates, done, netlink.AddrSubscribeOptions{Namespace: &at}); err != nil {
		t.Fatal(err)
	}
	h, err := guest.handle()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	link, err := h.LinkByName("nic")
	if err != nil {
		t.Fatal(err)
	}
	var want *netlink.Addr
	for _, text := range addresses {
		if want, err = netlink.ParseAddr(text); err != nil {
			t.Fatal(err)
		}
		// Without IFA_F_NODAD.
		if err := h.AddrAdd(link, want); err != nil {
			t.Fatal(err)
		}
	}
	for u := range updates {
		if !u.LinkAddress.IP.Equal(want.IP) {
			continue
		}
		if u.Flags&unix.IFA_F_DADFAILED != 0 {
			t.Fatalf("%s is a duplicate", want)
		}
		if u.Flags&unix.IFA_F_TENTATIVE == 0 {
			return
		}
	}
	t.Fatal("no more updates")
}
