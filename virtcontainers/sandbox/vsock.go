package sandbox

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// agentPort is where the agent listens on vsock.
const agentPort = 1024

// vhostVsockSetGuestCID is VHOST_VSOCK_SET_GUEST_CID, _IOW(0xAF, 0x60, __u64)
// (linux/vhost.h).
const vhostVsockSetGuestCID = 0x4008af60

var errNoVsock = errors.New("the host has no /dev/vhost-vsock")

// openVsock takes a free guest address. It stays taken as long as the file,
// or QEMU's copy of it, is open.
func openVsock() (uint32, *os.File, error) {
	f, err := os.OpenFile("/dev/vhost-vsock", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return 0, nil, errNoVsock
	}
	if err != nil {
		return 0, nil, err
	}
	const attempts = 64 // of 2^31 addresses: a collision is rare, 64 are none
	for range attempts {
		var b [4]byte
		if _, err := rand.Read(b[:]); err != nil {
			break
		}
		// 0 to 2 are reserved (vsock(7)); the sign bit stays clear for tools.
		cid := uint64(binary.NativeEndian.Uint32(b[:])&0x7fffffff | 4)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), vhostVsockSetGuestCID, uintptr(unsafe.Pointer(&cid)))
		if errno == 0 {
			return uint32(cid), f, nil
		}
		if errno != unix.EADDRINUSE {
			f.Close()
			return 0, nil, fmt.Errorf("vsock: take guest address %d: %w", cid, errno)
		}
	}
	f.Close()
	return 0, nil, errors.New("vsock: no free guest address found")
}
