package network

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/thread"
)

// own is the network namespace of the calling thread. /proc/self would be that
// of the main thread, which thread.Run never changes.
const own = "/proc/thread-self/ns/net"

// Namespace is an open network namespace. Close it after use: the namespace
// itself lives on as long as its path is mounted or a process is in it.
type Namespace struct {
	path string
	file *os.File
}

// NewNamespace makes a network namespace, brings its loopback up and keeps it
// alive by a bind mount at path, a file that must not exist. After an error
// nothing is left.
func NewNamespace(path string) (ns *Namespace, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	f.Close()
	defer func() {
		if err != nil {
			err = errors.Join(err, RemoveNamespace(path))
		}
	}()
	// The thread ends with the function: it is in the new namespace.
	err = thread.Run(func() (bool, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			if errors.Is(err, unix.EPERM) {
				err = fmt.Errorf("%w: kata-runtime needs root", err)
			}
			return false, fmt.Errorf("make network namespace: unshare: %w", err)
		}
		if err := unix.Mount(own, path, "", unix.MS_BIND, ""); err != nil {
			return false, fmt.Errorf("keep network namespace at %s: bind mount: %w", path, err)
		}
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			return false, fmt.Errorf("network namespace %s: bring lo up: %w", path, err)
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return OpenNamespace(path)
}

// NewUnnamed makes a network namespace that has no path: it ends with its open
// files, with the devices that nobody has moved elsewhere.
func NewUnnamed() (*Namespace, error) {
	var file *os.File
	err := thread.Run(func() (bool, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return false, fmt.Errorf("unshare: %w", err)
		}
		var err error
		file, err = os.Open(own)
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	return FromFile(file), nil
}

// FromFile answers the namespace that a file is, which it takes over.
func FromFile(file *os.File) *Namespace { return &Namespace{path: "(without a path)", file: file} }

// File is the open namespace, to be handed on. Close closes it.
func (n *Namespace) File() *os.File { return n.file }

// OpenNamespace opens an existing namespace: one that NewNamespace made, one
// that the engine made, or /proc/PID/ns/net.
func OpenNamespace(path string) (*Namespace, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWNET {
		f.Close()
		return nil, fmt.Errorf("open network namespace: %s is not one", path)
	}
	return &Namespace{path: path, file: f}, nil
}

// Path is where the namespace was opened.
func (n *Namespace) Path() string { return n.path }

// Close closes the handle; the namespace stays.
func (n *Namespace) Close() error { return n.file.Close() }

// Do runs f on a thread inside the namespace and waits for it. What f opens
// there (sockets, netlink handles) stays in the namespace; goroutines that f
// starts are not inside.
func (n *Namespace) Do(f func() error) error {
	return thread.Run(func() (clean bool, err error) {
		back, err := os.Open(own)
		if err != nil {
			return true, fmt.Errorf("open own network namespace: %w", err)
		}
		defer back.Close()
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return true, fmt.Errorf("enter network namespace %s: %w", n.path, err)
		}
		err = f()
		// A thread that cannot go back is thrown away, which is as good.
		return unix.Setns(int(back.Fd()), unix.CLONE_NEWNET) == nil, err
	})
}

// Start starts cmd inside the namespace. cmd must not ask for Pdeathsig: the
// parent in that sense is a thread that may end at any time.
func (n *Namespace) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Remove closes the handle and lets the namespace go. For namespaces that
// NewNamespace made only; those of an engine are the engine's.
func (n *Namespace) Remove() error {
	return errors.Join(n.Close(), RemoveNamespace(n.path))
}

// RemoveNamespace unmounts what NewNamespace mounted at path and deletes the
// file. A path that is gone already is no error. Processes that are still in
// the namespace keep it, without a name.
func RemoveNamespace(path string) error {
	for {
		// Detached, because any open handle would otherwise make it busy; nothing
		// lies below a namespace's file that this could hide. A run that was
		// killed between two steps may have left no mount, or (by hand) several.
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		// Without the right to unmount, nothing was mounted by us either.
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) && !mounted(path) {
			break
		}
		if err != nil {
			return fmt.Errorf("unmount network namespace %s: %w", path, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove network namespace: %w", err)
	}
	return nil
}

// mounted tells whether a namespace is mounted at path.
func mounted(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) != nil || st.Type == unix.NSFS_MAGIC
}

// IsHost tells whether the network namespace at path is the host's: the one of
// the calling process, or of PID 1. A VM cannot share that one.
func IsHost(path string) (bool, error) {
	var it, other unix.Stat_t
	if err := unix.Stat(path, &it); err != nil {
		return false, fmt.Errorf("network namespace %s: %w", path, err)
	}
	for _, host := range []string{own, "/proc/1/ns/net"} {
		err := unix.Stat(host, &other)
		if err == nil && it.Dev == other.Dev && it.Ino == other.Ino {
			return true, nil
		}
		if err != nil && host == own {
			return false, fmt.Errorf("own network namespace: %w", err)
		}
	}
	return false, nil
}

// handle answers a netlink handle inside the namespace; close it.
func (n *Namespace) handle() (h *netlink.Handle, err error) {
	err = n.Do(func() error {
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: netlink: %w", n.path, err)
	}
	return h, nil
}
