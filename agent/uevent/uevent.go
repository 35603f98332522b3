// Package uevent waits for devices by the kernel's announcements of them.
package uevent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Until calls ready until it answers true or an error: at once, and then after
// each announcement for a subsystem ("block", "net", ...; empty for any). It
// ends with ctx's error if that ends first.
func Until(ctx context.Context, subsystem string, ready func() (bool, error)) error {
	// Most often the device is there, and a socket is saved.
	if ok, err := ready(); ok || err != nil {
		return err
	}
	events, err := listen()
	if err != nil {
		return err
	}
	defer events.Close()
	stop := context.AfterFunc(ctx, func() { events.Close() })
	defer stop()
	buf := make([]byte, 8<<10)
	word := []byte("\x00SUBSYSTEM=" + subsystem + "\x00")
	for {
		// Looking again after the socket is open leaves no gap.
		if ok, err := ready(); ok || err != nil {
			return err
		}
		for {
			n, err := events.Read(buf)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// ENOBUFS: announcements were lost, any of them may have been ours.
			if errors.Is(err, unix.ENOBUFS) {
				break
			}
			if err != nil {
				return fmt.Errorf("read device announcements: %w", err)
			}
			if subsystem == "" || bytes.Contains(buf[:n], word) {
				break
			}
		}
	}
}

// listen opens the kernel's announcements (netlink(7), NETLINK_KOBJECT_UEVENT,
// group 1).
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("listen for device announcements: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen for device announcements: %w", err)
	}
	return os.NewFile(uintptr(fd), "uevents"), nil
}
