package network

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Subscribe answers a socket that tells of changes of the namespace's links,
// addresses and routes from now on (rtnetlink(7)), for whoever follows them.
// Close it, or hand it to a process.
func Subscribe(ns *Namespace) (socket *os.File, err error) {
	err = ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		socket = os.NewFile(uintptr(fd), "rtnetlink")
		return unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1<<(unix.RTNLGRP_LINK-1) |
			1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1) |
			1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1)})
	})
	if err != nil {
		if socket != nil {
			socket.Close()
		}
		return nil, fmt.Errorf("network namespace %s: subscribe to its changes: %w", ns.path, err)
	}
	return socket, nil
}
