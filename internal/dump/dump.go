// Package dump takes lists from netlink that are whole.
package dump

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// tries is how often a list is asked for: more than what is listed changes at a
// time, as when twenty pods start at once and IPv6 makes its addresses.
const tries = 32

// Whole answers what list does, and asks again when the kernel says that the
// list changed while it was made, so that something may be missing or be in it
// twice (NLM_F_DUMP_INTR, include/uapi/linux/netlink.h).
func Whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range tries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
