// Package inherit keeps to a process what its caller has left open in it.
package inherit

import (
	"math"

	"golang.org/x/sys/unix"
)

// Nothing marks all descriptors beyond the standard ones as closed on exec, once,
// at the start of a main: what a caller leaks, perhaps a file of the host or a
// socket that is powerful, must not reach QEMU and the helpers, which a guest
// may take over. This process can use them still, and what it passes on purpose is
// passed by exec.Cmd's ExtraFiles, which are copies. A kernel that cannot do that
// (before 5.11) cannot run a sandbox either.
func Nothing() { _ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }
