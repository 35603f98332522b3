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

// Events are the kernel's announcements from Listen on.
type Events struct{ file *os.File }

// ErrLost says that announcements were dropped: what is there has to be looked
// up again.
var ErrLost = errors.New("device announcements were lost")

// Listen opens the announcements.
func Listen() (*Events, error) {
	file, err := listen()
	if err != nil {
		return nil, err
	}
	return &Events{file}, nil
}

// Close ends listening.
func (e *Events) Close() error { return e.file.Close() }

// Added answers the kind (modalias) of the next device that is added and has
// one. It closes the announcements when ctx ends, and answers ctx's error.
func (e *Events) Added(ctx context.Context) (string, error) {
	stop := context.AfterFunc(ctx, func() { e.file.Close() })
	defer stop()
	buf := make([]byte, 8<<10)
	for {
		n, err := e.file.Read(buf)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case errors.Is(err, unix.ENOBUFS):
			return "", ErrLost
		case err != nil:
			return "", fmt.Errorf("read device announcements: %w", err)
		}
		if kind := added(buf[:n]); kind != "" {
			return kind, nil
		}
	}
}

// added answers the kind of the device that an announcement is about: words
// "KEY=VALUE", each with a zero byte behind it, after one "add@PATH".
func added(announcement []byte) string {
	if !bytes.HasPrefix(announcement, []byte("add@")) {
		return ""
	}
	for word := range bytes.SplitSeq(announcement, []byte{0}) {
		if kind, ok := bytes.CutPrefix(word, []byte("MODALIAS=")); ok {
			return string(kind)
		}
	}
	return ""
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
