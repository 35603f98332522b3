package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// lastFamily is that of Linux 6.18 (AF_MCTP, include/linux/socket.h).
const lastFamily = 45

var kinds = []struct {
	name string
	kind int
}{{"stream", unix.SOCK_STREAM}, {"datagram", unix.SOCK_DGRAM}, {"raw", unix.SOCK_RAW}, {"seqpacket", unix.SOCK_SEQPACKET}}

func opens(family, kind, protocol int) func() error {
	return withSocket(family, kind, protocol, func(int) error { return nil })
}

func sockets() []probe {
	var list []probe
	for family := 1; family <= lastFamily; family++ {
		if family == unix.AF_NETLINK {
			continue // below, by protocol
		}
		for _, k := range kinds {
			protocol := 0
			if k.kind == unix.SOCK_RAW && (family == unix.AF_INET || family == unix.AF_INET6) {
				protocol = unix.IPPROTO_ICMP
			}
			list = append(list, probe{fmt.Sprintf("socket %d %s", family, k.name), opens(family, k.kind, protocol)})
		}
	}
	for protocol := range 23 {
		list = append(list, probe{fmt.Sprintf("netlink %d", protocol), opens(unix.AF_NETLINK, unix.SOCK_RAW, protocol)})
	}
	for name, protocol := range map[string]int{"sctp": unix.IPPROTO_SCTP, "mptcp": unix.IPPROTO_MPTCP, "dccp": unix.IPPROTO_DCCP} {
		list = append(list, probe{"socket " + name, opens(unix.AF_INET, unix.SOCK_STREAM, protocol)})
	}
	list = append(list,
		probe{"socket udplite", opens(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE)},
		probe{"socket ping", opens(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)})
	for _, a := range []struct{ kind, name string }{
		{"hash", "sha256"}, {"hash", "hmac(sha256)"}, {"hash", "crc32c"}, {"skcipher", "cbc(aes)"}, {"skcipher", "ctr(aes)"},
		{"skcipher", "xts(aes)"}, {"aead", "gcm(aes)"}, {"aead", "rfc7539(chacha20,poly1305)"}, {"rng", "stdrng"},
	} {
		list = append(list, probe{"crypto " + a.name, withSocket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0, func(fd int) error {
			return unix.Bind(fd, &unix.SockaddrALG{Type: a.kind, Name: a.name})
		})})
	}
	return list
}

// options are those of sockets.
func options() []probe {
	var list []probe
	number := func(name string, family, kind, level, option, value int) {
		list = append(list, probe{"sockopt " + name, withSocket(family, kind, 0, func(fd int) error {
			return unix.SetsockoptInt(fd, level, option, value)
		})})
	}
	tcp := func(name string, option, value int) {
		number("TCP_"+name, unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP, option, value)
	}
	tcp("NODELAY", unix.TCP_NODELAY, 1)
	tcp("CORK", unix.TCP_CORK, 1)
	tcp("DEFER_ACCEPT", unix.TCP_DEFER_ACCEPT, 1)
	tcp("KEEPIDLE", unix.TCP_KEEPIDLE, 10)
	tcp("USER_TIMEOUT", unix.TCP_USER_TIMEOUT, 1000)
	tcp("FASTOPEN", unix.TCP_FASTOPEN, 5)
	tcp("FASTOPEN_CONNECT", unix.TCP_FASTOPEN_CONNECT, 1)
	tcp("NOTSENT_LOWAT", unix.TCP_NOTSENT_LOWAT, 16384)
	tcp("SAVE_SYN", unix.TCP_SAVE_SYN, 1)
	for _, name := range []string{"reno", "cubic", "bbr", "dctcp", "vegas", "htcp"} {
		list = append(list, probe{"congestion " + name, withSocket(unix.AF_INET, unix.SOCK_STREAM, 0, func(fd int) error {
			return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
		})})
	}
	socket := func(name string, option, value int) {
		number("SO_"+name, unix.AF_INET, unix.SOCK_DGRAM, unix.SOL_SOCKET, option, value)
	}
	socket("REUSEPORT", unix.SO_REUSEPORT, 1)
	socket("PRIORITY", unix.SO_PRIORITY, 6)
	socket("MARK", unix.SO_MARK, 1)
	socket("RCVBUFFORCE", unix.SO_RCVBUFFORCE, 1<<20)
	socket("BUSY_POLL", unix.SO_BUSY_POLL, 50)
	socket("TIMESTAMPNS", unix.SO_TIMESTAMPNS, 1)
	socket("TIMESTAMPING", unix.SO_TIMESTAMPING, unix.SOF_TIMESTAMPING_SOFTWARE)
	socket("RXQ_OVFL", unix.SO_RXQ_OVFL, 1)
	socket("INCOMING_CPU", unix.SO_INCOMING_CPU, 0)
	socket("ZEROCOPY", unix.SO_ZEROCOPY, 1)
	socket("TXTIME", unix.SO_TXTIME, 0)
	ip := func(name string, option, value int) {
		number("IP_"+name, unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_IP, option, value)
	}
	ip("TRANSPARENT", unix.IP_TRANSPARENT, 1)
	ip("FREEBIND", unix.IP_FREEBIND, 1)
	ip("PKTINFO", unix.IP_PKTINFO, 1)
	ip("RECVERR", unix.IP_RECVERR, 1)
	ip("BIND_ADDRESS_NO_PORT", unix.IP_BIND_ADDRESS_NO_PORT, 1)
	ip("MULTICAST_ALL", unix.IP_MULTICAST_ALL, 1)
	number("UDP_GRO", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	number("UDP_SEGMENT", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1400)
	number("PACKET_VERSION", unix.AF_PACKET, unix.SOCK_RAW, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3)
	list = append(list, probe{"sockopt SO_BINDTODEVICE", withSocket(unix.AF_INET, unix.SOCK_DGRAM, 0, func(fd int) error {
		return unix.BindToDevice(fd, "lo")
	})})
	return list
}

func withSocket(family, kind, protocol int, f func(fd int) error) func() error {
	return func() error {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return f(fd)
	}
}
