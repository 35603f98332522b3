// Package machine is what the agent does to and knows of the guest as a whole.
package machine

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrInvalid is wrapped when a request cannot be meant.
var ErrInvalid = errors.New("invalid argument")

// SetClock sets the guest's wall clock to nanoseconds since 1970 UTC.
func SetClock(ns int64) error {
	if ns <= 0 {
		return fmt.Errorf("%w: clock_ns %d", ErrInvalid, ns)
	}
	ts := unix.NsecToTimespec(ns)
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return nil
}

// Random ioctls (include/uapi/linux/random.h): _IOW('R', 3, int[2]) and
// _IO('R', 7). The first adds bytes and credits them, the second makes the
// generator use them at once, which a clone of a saved VM needs.
const (
	rndAddEntropy = 0x40085203
	rndReseedCRNG = 0x5207
)

// maxEntropy is what one call may add in bytes: more than the pool holds is waste.
const maxEntropy = 4096

// AddEntropy stirs bytes into the guest's random pool, credits them in full,
// and reseeds the generator.
func AddEntropy(data []byte) error {
	if len(data) == 0 || len(data) > maxEntropy {
		return fmt.Errorf("%w: %d bytes of entropy, 1 to %d are allowed", ErrInvalid, len(data), maxEntropy)
	}
	file, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("add entropy: %w", err)
	}
	defer file.Close()
	// struct rand_pool_info: bits credited, size of the buffer in bytes, buffer.
	var info struct {
		bits, size int32
		data       [maxEntropy]byte
	}
	info.bits, info.size = int32(len(data)*8), int32(len(data))
	copy(info.data[:], data)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), rndAddEntropy, uintptr(unsafe.Pointer(&info))); errno != 0 {
		return fmt.Errorf("add entropy: %w", errno)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), rndReseedCRNG, 0); errno != 0 {
		return fmt.Errorf("reseed random generator: %w", errno)
	}
	return nil
}
