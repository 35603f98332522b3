// Package tied ends a VM whose share has gone. Nothing in the guest says that
// virtiofsd ended: whoever uses a file waits forever, and the container would
// count as running.
package tied

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long the VM may outlive virtiofsd: that ends with it, a moment
// before QEMU does, and a creation that loses it says so and takes the VM away.
const grace = 2 * time.Second

// Processes waits until virtiofsd ends, and then ends the VM if it does not
// itself. share and vm are pidfds, which it closes when it returns; so it does
// when the VM ends first, since virtiofsd ends with it.
func Processes(logger *slog.Logger, share, vm *os.File) {
	defer share.Close()
	defer vm.Close()
	err := wait(share, time.Time{})
	if err == nil {
		if err = wait(vm, time.Now().Add(grace)); err == nil {
			return
		}
		if os.IsTimeout(err) {
			logger.Error("virtiofsd has ended, and the guest cannot go on without its files: the VM is killed (the host's log tells if memory had run out)")
			err = kill(vm)
		}
	}
	if err != nil {
		logger.Warn("the VM is not ended with virtiofsd: " + err.Error())
	}
}

// Open takes a pidfd that another process gave us.
func Open(fd int) (*os.File, error) {
	// So that waiting for it takes no thread.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		return nil, fmt.Errorf("descriptor %d is no pidfd: %w", fd, err)
	}
	return file, nil
}

// wait returns when the process has ended: its pidfd is readable then.
func wait(process *os.File, until time.Time) error {
	if err := process.SetReadDeadline(until); err != nil {
		return err
	}
	raw, err := process.SyscallConn()
	if err != nil {
		return err
	}
	var perr error
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		if err == unix.EINTR {
			return false
		}
		perr = err
		return n > 0 || err != nil
	})
	if err == nil {
		err = perr
	}
	return err
}

func kill(process *os.File) error {
	raw, err := process.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) { serr = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	if err == nil && serr != unix.ESRCH {
		err = serr
	}
	return err
}
