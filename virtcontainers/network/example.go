package network

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// Example is a network namespace as an engine would make it, for a sandbox that is
// nobody's.
type Example struct {
	*Namespace
	// outside has the other end of the pair, which would go with it.
	outside *Namespace
}

// NewExample makes one at path. Its addresses are of the ranges for documentation
// (RFC 5737, RFC 3849): nothing of it leaves the host. After an error nothing is left.
func NewExample(path string) (*Example, error) {
	ns, err := NewNamespace(path)
	if err != nil {
		return nil, err
	}
	e := &Example{Namespace: ns}
	if e.outside, err = NewUnnamed(); err == nil {
		err = e.populate()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("example of a network: %w", err), e.Remove())
	}
	return e, nil
}

// Remove ends it.
func (e *Example) Remove() error {
	err := e.Namespace.Remove()
	if e.outside != nil {
		err = errors.Join(err, e.outside.Close())
	}
	return err
}

func (e *Example) populate() error {
	h, err := e.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "peer0", PeerNamespace: netlink.NsFd(int(e.outside.file.Fd()))}
	if err := h.LinkAdd(pair); err != nil {
		return err
	}
	link, err := h.LinkByName("eth0")
	if err != nil {
		return err
	}
	for _, address := range []string{"192.0.2.2/24", "2001:db8::2/64"} {
		a, err := netlink.ParseAddr(address)
		if err != nil {
			return err
		}
		// A host without IPv6 has one address.
		if err := h.AddrAdd(link, a); err != nil && a.IP.To4() != nil {
			return err
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return err
	}
	return h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.IPv4(192, 0, 2, 1)})
}
