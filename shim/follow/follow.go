// Package follow runs a command whenever what an engine put into a network
// namespace changes: an interface comes, goes, or gets other addresses or
// routes, as "docker network connect" does with a running container.
package follow

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// calm is how long nothing may happen before a change counts as complete:
	// engines rename an interface, bring it up, give it addresses and then routes.
	calm = 100 * time.Millisecond
	// patience bounds that for a namespace that is never calm.
	patience = 2 * time.Second
)

// Follower runs a command for each change.
type Follower struct {
	// Changes is a subscribed rtnetlink socket of the namespace. It does not block.
	Changes *os.File
	// VM is a pidfd: the follower ends with that process.
	VM *os.File
	// Links are those that are there already.
	Links *Links
	// Run brings a change to the guest. What changes meanwhile is brought by
	// the next call.
	Run func() error
	Log *slog.Logger
}

// Follow returns nil when the VM has ended.
func (f *Follower) Follow() error {
	// Not Fd(): that would make the socket block.
	changes, err := descriptor(f.Changes)
	if err != nil {
		return err
	}
	vm, err := descriptor(f.VM)
	if err != nil {
		return err
	}
	fds := []unix.PollFd{{Fd: int32(vm), Events: unix.POLLIN}, {Fd: int32(changes), Events: unix.POLLIN}}
	var since time.Time // of the first change that was not brought yet
	// What happened before the links were listed is known in the list already,
	// and may all the same be new to the guest.
	early, err := read(changes, &Links{Own: f.Links.Own, known: map[int32]string{}})
	if err != nil {
		return err
	}
	if early {
		since = time.Now()
	}
	for {
		wait := -1
		if !since.IsZero() {
			wait = int(min(calm, max(0, time.Until(since.Add(patience)))) / time.Millisecond)
		}
		n, err := unix.Poll(fds, wait)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("wait for changes: %w", err)
		case fds[0].Revents != 0:
			return nil
		case n == 0:
			since = time.Time{}
			if err := f.Run(); err != nil {
				f.Log.Warn("a change of the network does not reach the guest", "err", err)
			}
			continue
		}
		changed, err := read(changes, f.Links)
		if err != nil {
			return err
		}
		if changed && since.IsZero() {
			since = time.Now()
		}
	}
}

// read takes what the socket has and tells whether something of it counts.
func read(fd int, links *Links) (changed bool, err error) {
	buf := make([]byte, 32<<10) // the kernel's own largest message (NLMSG_GOODSIZE)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return changed, nil
		case errors.Is(err, unix.ENOBUFS):
			changed = true // some were lost
		case err != nil:
			return changed, fmt.Errorf("read changes: %w", err)
		default:
			changed = links.Changed(buf[:n]) || changed
		}
	}
}

func descriptor(file *os.File) (fd int, err error) {
	raw, err := file.SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	return fd, err
}
