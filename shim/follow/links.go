package follow

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Links remember what is known of a namespace's links, so that a message that
// tells nothing new (a carrier that came, an address that was checked) does
// not count.
type Links struct {
	// Own begins the names of links that are not the engine's.
	Own   string
	known map[int32]string
}

// Scan answers the links of the caller's network namespace.
func Scan(own string) (*Links, error) {
	l := &Links{Own: own, known: map[int32]string{}}
	all, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	l.Changed(all)
	return l, nil
}

// Changed takes messages of the kernel and tells whether one of them matters to
// the guest.
func (l *Links) Changed(messages []byte) (changed bool) {
	parsed, err := syscall.ParseNetlinkMessage(messages)
	if err != nil {
		return true // better once too often
	}
	for _, m := range parsed {
		switch m.Header.Type {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			changed = l.link(&m) || changed
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			changed = address(m.Data) || changed
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			changed = route(m.Data) || changed
		}
	}
	return changed
}

func (l *Links) link(m *syscall.NetlinkMessage) bool {
	if len(m.Data) < unix.SizeofIfInfomsg {
		return false
	}
	info := (*unix.IfInfomsg)(unsafe.Pointer(&m.Data[0]))
	// What a bridge tells of its ports comes with the family AF_BRIDGE.
	if info.Family != unix.AF_UNSPEC || info.Flags&unix.IFF_LOOPBACK != 0 {
		return false
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return true
	}
	now := fmt.Sprint(info.Flags & unix.IFF_UP)
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			name := strings.TrimRight(string(a.Value), "\x00")
			if strings.HasPrefix(name, l.Own) {
				return false
			}
			now += " " + name
		case unix.IFLA_ADDRESS, unix.IFLA_MTU:
			now += fmt.Sprintf(" %x", a.Value)
		}
	}
	before, known := l.known[info.Index]
	if m.Header.Type == unix.RTM_DELLINK {
		delete(l.known, info.Index)
		return known
	}
	l.known[info.Index] = now
	return before != now
}

// address tells whether an address's message counts: not those that the
// kernel makes and checks by itself, nor those that a router gives.
func address(data []byte) bool {
	if len(data) < unix.SizeofIfAddrmsg {
		return false
	}
	info := (*unix.IfAddrmsg)(unsafe.Pointer(&data[0]))
	return info.Scope < unix.RT_SCOPE_LINK && info.Flags&unix.IFA_F_PERMANENT != 0
}

// route tells the same of a route.
func route(data []byte) bool {
	if len(data) < unix.SizeofRtMsg {
		return false
	}
	info := (*unix.RtMsg)(unsafe.Pointer(&data[0]))
	return info.Table == unix.RT_TABLE_MAIN && info.Type == unix.RTN_UNICAST &&
		info.Protocol != unix.RTPROT_KERNEL && info.Protocol != unix.RTPROT_RA
}
