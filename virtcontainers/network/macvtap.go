package network

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/undo"
)

// PlanMacvtap answers the NIC that CreateMacvtap would make, or why there can be
// none. Nothing is changed: who notes it before can take back by its Remove
// whatever CreateMacvtap came to.
func PlanMacvtap(i Interface, name string) (NIC, error) {
	if i.Refused != "" {
		return NIC{}, fmt.Errorf("macvtap on %s (%s): %w: %s", i.Name, i.Type, ErrUnsupported, i.Refused)
	}
	if i.Type != "veth" && i.Type != "device" {
		return NIC{}, fmt.Errorf("macvtap on %s: %w: it works on veth and hardware, not on %s; use %q", i.Name, ErrUnsupported, i.Type, ModelTCFilter)
	}
	return NIC{Name: name, MAC: i.MAC, Model: ModelMacvtap, Link: i.Name, Below: &i}, nil
}

// CreateMacvtap makes a macvtap called name on the interface and opens its
// queues. It is for an interface that is there before the VM boots: the
// macvtap is the VM's NIC then, and Connect has nothing left to do. The macvtap
// gets the interface's MAC; the interface gets a random one and loses its
// addresses, because broadcasts still reach it and the host would answer ARP.
// NIC.Remove takes all this back. After an error nothing is left.
func CreateMacvtap(ns *Namespace, i Interface, name string, q Queues) (_ *Tap, err error) {
	nic, err := PlanMacvtap(i, name)
	if err != nil {
		return nil, err
	}
	t := &Tap{NIC: nic}
	h, err := ns.handle()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	var steps undo.List
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make macvtap %s on %s: %w", name, i.Name, err), t.Close(), steps.Run())
		}
	}()
	link, err := h.LinkByName(i.Name)
	if err != nil {
		return nil, err
	}
	steps.Add("restore "+i.Name, func() error { return restoreLink(h, i) })
	if err := vacate(h, link); err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.HardwareAddr, attrs.MTU = name, i.Index, mac, i.MTU
	attrs.NumTxQueues = max(q.Count, 1)
	if err := h.LinkAdd(&netlink.Macvtap{Macvlan: netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}}); err != nil {
		return nil, err
	}
	tap, err := h.LinkByName(name)
	if err != nil {
		return nil, err
	}
	steps.Add("delete "+name, func() error { return h.LinkDel(tap) })
	if err := h.LinkSetIP6AddrGenMode(tap, addrGenNone); err != nil && !noIPv6(err) {
		return nil, fmt.Errorf("switch IPv6 address generation off: %w", err)
	}
	for _, l := range []netlink.Link{link, tap} {
		if err := h.LinkSetUp(l); err != nil {
			return nil, fmt.Errorf("bring %s up: %w", l.Attrs().Name, err)
		}
	}
	err = ns.Do(func() error {
		node, err := macvtapNode(name, tap.Attrs().Index)
		if err != nil {
			return err
		}
		defer node.Close()
		return t.open(fmt.Sprintf("/proc/self/fd/%d/node", node.Fd()), q, 0)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// macvtapNode answers a folder with the macvtap's character device as "node".
// /dev may lack it, or have under its name one of another namespace with the
// same index; and /sys shows the devices of one namespace only. So it reads the
// number in a sysfs of the calling thread's namespace and makes the node on a
// tmpfs; neither file system is mounted anywhere.
func macvtapNode(name string, index int) (*os.File, error) {
	sys, err := detached("sysfs")
	if err != nil {
		return nil, err
	}
	defer sys.Close()
	path := "class/net/" + name + "/macvtap/tap" + strconv.Itoa(index) + "/dev"
	fd, err := unix.Openat(int(sys.Fd()), path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s in sysfs: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	text := make([]byte, 32)
	n, err := f.Read(text)
	if err != nil {
		return nil, fmt.Errorf("read %s in sysfs: %w", path, err)
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(string(bytes.TrimSpace(text[:n])), "%d:%d", &major, &minor); err != nil {
		return nil, fmt.Errorf("%s in sysfs holds %q: %w", path, text[:n], err)
	}
	dir, err := detached("tmpfs")
	if err != nil {
		return nil, err
	}
	if err := unix.Mknodat(int(dir.Fd()), "node", unix.S_IFCHR|0o600, int(unix.Mkdev(major, minor))); err != nil {
		dir.Close()
		return nil, fmt.Errorf("make device node %d:%d: %w", major, minor, err)
	}
	return dir, nil
}

// detached opens the root of a new file system that is mounted nowhere; it ends
// when it is closed.
func detached(fstype string) (*os.File, error) {
	ctx, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen %s: %w", fstype, err)
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigCreate(ctx); err != nil {
		return nil, fmt.Errorf("create %s: %w", fstype, err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("fsmount %s: %w", fstype, err)
	}
	return os.NewFile(uintptr(fd), fstype), nil
}

// vacate takes the addresses off a link and gives it a random MAC.
func vacate(h *netlink.Handle, link netlink.Link) error {
	addresses, err := addressesOf(h, link)
	if err != nil {
		return fmt.Errorf("addresses: %w", err)
	}
	for _, a := range addresses {
		if err := h.AddrDel(link, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("take address %s off: %w", a.IPNet, err)
		}
	}
	text, err := randomMAC()
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(text)
	if err != nil {
		return err
	}
	if err := h.LinkSetHardwareAddr(link, mac); err != nil {
		return fmt.Errorf("change its MAC: %w", err)
	}
	return nil
}

// restoreLink gives a link back what vacate took, and the routes and neighbours
// that went with it. A link that is gone is no error.
func restoreLink(h *netlink.Handle, i Interface) error {
	link, err := h.LinkByName(i.Name)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return fmt.Errorf("MAC of %s: %w", i.Name, err)
	}
	// Not all links take one, not even their own.
	if !bytes.Equal(link.Attrs().HardwareAddr, mac) {
		if err := h.LinkSetHardwareAddr(link, mac); err != nil {
			return fmt.Errorf("give %s its MAC back: %w", i.Name, err)
		}
	}
	for _, text := range slices.Concat(i.Addresses, i.Automatic) {
		addr, err := netlink.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("address of %s: %w", i.Name, err)
		}
		if addr.IP.To4() == nil {
			// It was checked for duplicates when it was first given.
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("give %s its address %s back: %w", i.Name, text, err)
		}
	}
	for _, r := range i.Routes {
		route, err := r.netlink(i.Index)
		if err == nil {
			err = h.RouteReplace(route)
		}
		if err != nil {
			return fmt.Errorf("give %s its route to %q back: %w", i.Name, r.Destination, err)
		}
	}
	for _, n := range i.Neighbours {
		mac, err := net.ParseMAC(n.MAC)
		if err == nil {
			err = h.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, IP: net.ParseIP(n.Address), HardwareAddr: mac, State: unix.NUD_PERMANENT, Flags: int(n.Flags)})
		}
		if err != nil {
			return fmt.Errorf("give %s its neighbour %s back: %w", i.Name, n.Address, err)
		}
	}
	return nil
}

func (r Route) netlink(index int) (*netlink.Route, error) {
	out := &netlink.Route{LinkIndex: index, Gw: net.ParseIP(r.Gateway), Src: net.ParseIP(r.Source), Scope: netlink.Scope(r.Scope), Priority: int(r.Metric), MTU: int(r.MTU)}
	destination := r.Destination
	if destination == "" {
		destination = map[string]string{"4": "0.0.0.0/0", "6": "::/0"}[r.Family]
	}
	var err error
	if _, out.Dst, err = net.ParseCIDR(destination); err != nil {
		return nil, err
	}
	if r.OnLink {
		out.Flags = unix.RTNH_F_ONLINK
	}
	return out, nil
}
