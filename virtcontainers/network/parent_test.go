package network

import (
	"testing"

	"github.com/vishvananda/netlink"
)

func TestParent(t *testing.T) {
	here, elsewhere := netlink.LinkAttrs{ParentIndex: 3, NetNsID: -1}, netlink.LinkAttrs{ParentIndex: 3, NetNsID: 0}
	for _, test := range []struct {
		link netlink.Link
		want int
	}{
		{&netlink.Vlan{LinkAttrs: here}, 3},
		{&netlink.Macvlan{LinkAttrs: here}, 3},
		{&netlink.IPVlan{LinkAttrs: here}, 3},
		{&netlink.Macvlan{LinkAttrs: elsewhere}, 0}, // as engines make it
		{&netlink.Veth{LinkAttrs: here}, 0},
	} {
		if got := parent(test.link); got != test.want {
			t.Errorf("%T in %d: %d", test.link, test.link.Attrs().NetNsID, got)
		}
	}
}
