package main

import (
	"net"

	"github.com/vishvananda/netlink"
)

// links are the kinds of network interfaces that a container with CAP_NET_ADMIN
// can make in its own namespace.
func links() []probe {
	parent := func() (int, error) {
		link, err := net.InterfaceByName("probe-parent")
		if err != nil {
			return 0, err
		}
		return link.Index, nil
	}
	attrs := func() netlink.LinkAttrs {
		a := netlink.NewLinkAttrs()
		a.Name = "probe"
		return a
	}
	add := func(link netlink.Link) error {
		if err := netlink.LinkAdd(link); err != nil {
			return err
		}
		return netlink.LinkDel(link)
	}
	over := func(make func(a netlink.LinkAttrs) netlink.Link) func() error {
		return func() error {
			index, err := parent()
			if err != nil {
				return err
			}
			a := attrs()
			a.ParentIndex = index
			return add(make(a))
		}
	}
	alone := func(make func(a netlink.LinkAttrs) netlink.Link) func() error {
		return func() error { return add(make(attrs())) }
	}
	local := net.IPv4(127, 0, 0, 1)
	list := []probe{
		{"link parent", func() error {
			a := attrs()
			a.Name = "probe-parent"
			return netlink.LinkAdd(&netlink.Dummy{LinkAttrs: a})
		}},
		{"link dummy", alone(func(a netlink.LinkAttrs) netlink.Link { return &netlink.Dummy{LinkAttrs: a} })},
		{"link ifb", alone(func(a netlink.LinkAttrs) netlink.Link { return &netlink.Ifb{LinkAttrs: a} })},
		{"link bridge", alone(func(a netlink.LinkAttrs) netlink.Link { return &netlink.Bridge{LinkAttrs: a} })},
		{"link veth", alone(func(a netlink.LinkAttrs) netlink.Link { return &netlink.Veth{LinkAttrs: a, PeerName: "probe-peer"} })},
		{"link vrf", alone(func(a netlink.LinkAttrs) netlink.Link { return &netlink.Vrf{LinkAttrs: a, Table: 10} })},
		{"link bond", alone(func(a netlink.LinkAttrs) netlink.Link { return netlink.NewLinkBond(a) })},
		{"link wireguard", alone(func(a netlink.LinkAttrs) netlink.Link { return &netlink.Wireguard{LinkAttrs: a} })},
		{"link tun", alone(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.Tuntap{LinkAttrs: a, Mode: netlink.TUNTAP_MODE_TUN}
		})},
		{"link gretun", alone(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.Gretun{LinkAttrs: a, Local: local, Remote: local}
		})},
		{"link ipip", alone(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.Iptun{LinkAttrs: a, Local: local, Remote: local}
		})},
		{"link sit", alone(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.Sittun{LinkAttrs: a, Local: local, Remote: local}
		})},
		{"link geneve", alone(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.Geneve{LinkAttrs: a, ID: 1, Remote: local}
		})},
		{"link vxlan", over(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.Vxlan{LinkAttrs: a, VxlanId: 1, VtepDevIndex: a.ParentIndex, Port: 4789}
		})},
		{"link vlan", over(func(a netlink.LinkAttrs) netlink.Link { return &netlink.Vlan{LinkAttrs: a, VlanId: 5} })},
		{"link macvlan", over(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.Macvlan{LinkAttrs: a, Mode: netlink.MACVLAN_MODE_BRIDGE}
		})},
		{"link macvtap", over(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.Macvtap{Macvlan: netlink.Macvlan{LinkAttrs: a, Mode: netlink.MACVLAN_MODE_BRIDGE}}
		})},
		{"link ipvlan", over(func(a netlink.LinkAttrs) netlink.Link {
			return &netlink.IPVlan{LinkAttrs: a, Mode: netlink.IPVLAN_MODE_L2}
		})},
	}
	for _, make := range []func(link netlink.Link) netlink.Qdisc{
		func(link netlink.Link) netlink.Qdisc { return netlink.NewHtb(root(link)) },
		func(link netlink.Link) netlink.Qdisc { return netlink.NewFq(root(link)) },
		func(link netlink.Link) netlink.Qdisc { return netlink.NewFqCodel(root(link)) },
		func(link netlink.Link) netlink.Qdisc { return netlink.NewPrio(root(link)) },
		func(link netlink.Link) netlink.Qdisc { return netlink.NewNetem(root(link), netlink.NetemQdiscAttrs{}) },
		func(link netlink.Link) netlink.Qdisc {
			return &netlink.Tbf{QdiscAttrs: root(link), Rate: 1 << 20, Limit: 1 << 20, Buffer: 1 << 16}
		},
		func(link netlink.Link) netlink.Qdisc { return &netlink.Ingress{QdiscAttrs: ingress(link)} },
		func(link netlink.Link) netlink.Qdisc { return &netlink.Clsact{QdiscAttrs: clsact(link)} },
	} {
		kind := make(&netlink.Dummy{}).Type()
		list = append(list, probe{"qdisc " + kind, func() error {
			link, err := netlink.LinkByName("probe-parent")
			if err != nil {
				return err
			}
			discipline := make(link)
			if err := netlink.QdiscAdd(discipline); err != nil {
				return err
			}
			return netlink.QdiscDel(discipline)
		}})
	}
	return append(list, probe{"xfrm", func() error {
		_, err := netlink.XfrmPolicyList(netlink.FAMILY_V4)
		return err
	}})
}

func root(link netlink.Link) netlink.QdiscAttrs {
	return netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT}
}

func clsact(link netlink.Link) netlink.QdiscAttrs {
	return netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}
}

func ingress(link netlink.Link) netlink.QdiscAttrs {
	return netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS}
}
