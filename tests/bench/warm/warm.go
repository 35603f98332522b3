// Package warm has the host's memory at hand before something is measured.
//
// A host that is a virtual machine itself may give its free pages back to its
// own hypervisor (free page reporting), and gets them again one fault at a
// time. On such a host the same boot took 0.11 or 0.45 s of system time, by
// what had run just before. What has just been freed is there for the next.
package warm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bytes are more than a sandbox and its peers take.
const bytes = 640 << 20

// Memory touches memory and frees it.
func Memory() error {
	data, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("warm the host's memory: %w", err)
	}
	// Huge pages are taken whole, as QEMU takes them.
	_ = unix.Madvise(data, unix.MADV_HUGEPAGE)
	for at := 0; at < len(data); at += unix.Getpagesize() {
		data[at] = 1
	}
	if err := unix.Munmap(data); err != nil {
		return fmt.Errorf("warm the host's memory: %w", err)
	}
	return nil
}
