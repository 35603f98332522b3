// Package newroot takes the host's files away from a process that does not need
// them, because engines join its mount namespace or look below /proc/PID/root,
// or because it reads what a guest sends.
package newroot

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// place is where an empty root is made: a folder that every host has. Once it is
// made, /proc is hidden.
const place = "/proc"

const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// Private keeps what this process mounts from now on from the host. The process
// must be alone in its mount namespace.
func Private() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return nil
}

// Empty makes a root that is empty but for what fill puts into it, if that is not
// nil, and answers where it is. Nobody can write in it: what an engine copies
// there fails, rather than be lost. Private comes before it.
func Empty(fill func(root string) error) (string, error) {
	if err := unix.Mount("tmpfs", place, "tmpfs", flags, "mode=0755"); err != nil {
		return "", fmt.Errorf("empty root: %w", err)
	}
	if fill != nil {
		if err := fill(place); err != nil {
			return "", fmt.Errorf("empty root: %w", err)
		}
	}
	if err := unix.Mount("", place, "", flags|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return "", fmt.Errorf("empty root: make it read-only: %w", err)
	}
	return place, nil
}

// Enter makes root, a mount point, the root and the working folder of this
// process, all its threads included, and lets the old one go (pivot_root(2),
// "pivot_root(".", ".")"). What is open stays open.
func Enter(root string) error {
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("root %s: %w", root, err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root to %s: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let the host's root go: %w", err)
	}
	return nil
}

// Leave leaves the host's files for an empty root, without even a /proc. The
// process must be alone in its mount namespace.
func Leave() error {
	if err := Private(); err != nil {
		return err
	}
	root, err := Empty(nil)
	if err != nil {
		return err
	}
	return Enter(root)
}
