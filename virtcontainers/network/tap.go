package network

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Queues says how a NIC's queues are opened.
type Queues struct {
	// Count is the number of queues, 1 or more; best one per vCPU. 0 means 1.
	Count int
	// VHost opens /dev/vhost-net for each queue where the host has it.
	VHost bool
	// Stay has a tap (no macvtap) outlive its queues: it goes with its namespace. For a
	// namespace that ends with the VM: the kernel takes 30 ms to remove a device,
	// which the end of a QEMU with the last queue would wait for.
	Stay bool
}

// maxQueues is the kernel's limit for one tap (MAX_TAP_QUEUES, drivers/net/tun.c).
const maxQueues = 256

// Tap is a NIC whose host side is open, for the VM to inherit. It exists as
// long as a queue is open: once QEMU has inherited them and the caller has
// closed its own, it ends with QEMU, so nothing has to be removed after a
// crash, unless it is to Stay. (A macvtap stays until its NIC's Remove.)
type Tap struct {
	NIC NIC
	// Queues are open in blocking mode, each for frames with a virtio_net_hdr.
	Queues []*os.File
	// VHosts are as many as Queues, or none.
	VHosts []*os.File
}

// Close closes the caller's queues. Do it once QEMU has started.
func (t *Tap) Close() error {
	var errs []error
	for _, f := range append(t.Queues, t.VHosts...) {
		errs = append(errs, f.Close())
	}
	t.Queues, t.VHosts = nil, nil
	return errors.Join(errs...)
}

// CreateTap makes the tap called name (at most 15 bytes) in the namespace,
// for an interface that Connect names later. It is down until then.
func CreateTap(ns *Namespace, name string, q Queues) (_ *Tap, err error) {
	mac, err := randomMAC()
	if err != nil {
		return nil, err
	}
	t := &Tap{NIC: NIC{Name: name, MAC: mac, Model: ModelTCFilter}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make tap %s in %s: %w", name, ns.path, err), t.Close())
		}
	}()
	err = ns.Do(func() error {
		// A name in use must not be taken for ours (TUNSETIFF attaches to it).
		if _, err := net.InterfaceByName(name); err == nil {
			return unix.EEXIST
		}
		return t.open("/dev/net/tun", q, unix.IFF_TUN_EXCL)
	})
	if err != nil {
		return nil, err
	}
	h, err := ns.handle()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	if err := quiet(h, name); err != nil || !q.Stay {
		return t, err
	}
	// The last step: before it, all goes with the queues.
	return t, Stay(t.Queues[0])
}

// Stay has the tap of an open queue outlive its queues from now on (Queues.Stay).
func Stay(queue *os.File) error {
	if err := unix.IoctlSetInt(int(queue.Fd()), unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("let a tap stay: TUNSETPERSIST: %w", err)
	}
	return nil
}

// quiet keeps the host's own stack off a tap: it would send the guest router
// solicitations and multicast reports. A host without IPv6 refuses this.
func quiet(h *netlink.Handle, tap string) error {
	link, err := h.LinkByName(tap)
	if err != nil {
		return err
	}
	if err := h.LinkSetIP6AddrGenMode(link, addrGenNone); err != nil && !noIPv6(err) {
		return fmt.Errorf("switch IPv6 address generation off: %w", err)
	}
	return nil
}

// MoveTap brings a tap that is down and has no interface yet, as CreateTap has
// made it, into another namespace. Whoever has its queues open keeps them.
func MoveTap(n NIC, from, to *Namespace) error {
	fail := func(err error) error { return fmt.Errorf("move tap %s to %s: %w", n.Name, to.path, err) }
	h, err := from.handle()
	if err != nil {
		return fail(err)
	}
	defer h.Close()
	link, err := h.LinkByName(n.Name)
	if err != nil {
		return fail(err)
	}
	// The kernel refuses a name that is in use there (net/core/dev.c,
	// __dev_change_net_namespace).
	if err := h.LinkSetNsFd(link, int(to.file.Fd())); err != nil {
		return fail(err)
	}
	there, err := to.handle()
	if err != nil {
		return fail(err)
	}
	defer there.Close()
	if err := quiet(there, n.Name); err != nil {
		return fail(err)
	}
	return nil
}

// noIPv6 tells whether the host has no IPv6 to switch off.
func noIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}

// addrGenNone is IN6_ADDR_GEN_MODE_NONE (linux/if_link.h).
const addrGenNone = 1

// open opens the queues of t through the device node at path, on the calling
// thread, which is in the namespace. first are flags for the first queue alone.
func (t *Tap) open(path string, q Queues, first uint16) error {
	count := max(q.Count, 1)
	if count > maxQueues {
		return fmt.Errorf("%d queues: at most %d", count, maxQueues)
	}
	flags := uint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if count > 1 {
		flags |= unix.IFF_MULTI_QUEUE
	}
	for i := range count {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: path, Err: err}
		}
		t.Queues = append(t.Queues, os.NewFile(uintptr(fd), t.NIC.Name))
		ifr, err := unix.NewIfreq(t.NIC.Name)
		if err != nil {
			return fmt.Errorf("name %q: %w", t.NIC.Name, err)
		}
		ifr.SetUint16(flags)
		if i == 0 {
			ifr.SetUint16(flags | first)
		}
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
			return fmt.Errorf("queue %d: TUNSETIFF: %w", i, err)
		}
	}
	for range count {
		f, err := q.openVHost()
		if f == nil {
			return err
		}
		t.VHosts = append(t.VHosts, f)
	}
	return nil
}

// openVHost answers nil where the host has no /dev/vhost-net, or none is wanted.
func (q Queues) openVHost() (*os.File, error) {
	if !q.VHost {
		return nil, nil
	}
	f, err := os.OpenFile("/dev/vhost-net", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return nil, nil
	}
	return f, err
}

// HasVHost tells whether a tap that is made by q has VHosts.
func (q Queues) HasVHost() (bool, error) {
	f, err := q.openVHost()
	if f == nil {
		return false, err
	}
	return true, f.Close()
}

// randomMAC answers a unicast address of the locally administered range.
func randomMAC() (string, error) {
	mac := make(net.HardwareAddr, 6)
	if _, err := rand.Read(mac); err != nil {
		return "", fmt.Errorf("random MAC: %w", err)
	}
	mac[0] = mac[0]&^1 | 2
	return mac.String(), nil
}

// Remove takes away what the NIC left in the namespace after the VM ended: a
// tap (if somebody still holds it), or a macvtap, whose interface gets its MAC
// and addresses back. What is gone already is no error.
func (n NIC) Remove(ns *Namespace, i Interface) error {
	h, err := ns.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.LinkByName(n.Name)
	if err == nil && n.owns(link, i) {
		err = h.LinkDel(link)
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("remove NIC %s: %w", n.Name, err)
	}
	if n.Model != ModelMacvtap {
		return nil
	}
	return restoreLink(h, i)
}

// owns tells whether a link with the NIC's name is the NIC: a macvtap is noted
// before it is made, and the name may have been taken.
func (n NIC) owns(link netlink.Link, below Interface) bool {
	if n.Model != ModelMacvtap {
		return true
	}
	m, ok := link.(*netlink.Macvtap)
	return ok && m.ParentIndex == below.Index
}

// gone tells whether a link is missing.
func gone(err error) bool {
	var missing netlink.LinkNotFoundError
	return errors.As(err, &missing) || errors.Is(err, unix.ENODEV)
}
