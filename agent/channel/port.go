// Package channel is how the host reaches the agent over a virtio-serial port:
// it finds the port and makes connections out of it.
package channel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent/uevent"
)

// PortName is the name that the host gives the agent's virtio-serial port: the
// same as virtcontainers/hypervisor's SerialPortName.
const PortName = "kata.agent.0"

const portClass = "/sys/class/virtio-ports"

// findPort answers the device node of the virtio-serial port with a name. The
// port may not be there yet: its driver may be a module that is still to be
// loaded, and the device tells the names of its ports only after that. Then it
// waits for the kernel's announcement.
func findPort(ctx context.Context, name string) (string, error) {
	dev := ""
	err := uevent.Until(ctx, "virtio-ports", func() (found bool, err error) {
		dev, err = lookPort(name)
		return dev != "", err
	})
	if err != nil {
		return "", fmt.Errorf("serial port %s: %w", name, err)
	}
	return dev, nil
}

// lookPort answers "" if there is no such port now.
func lookPort(name string) (string, error) {
	files, err := filepath.Glob(portClass + "/*/name")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(data)) == name {
			return "/dev/" + filepath.Base(filepath.Dir(file)), nil
		}
	}
	return "", nil
}

// openPort opens the port, which only one can at a time.
func openPort(dev string) (*os.File, error) {
	fd, err := unix.Open(dev, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dev, err)
	}
	return os.NewFile(uintptr(fd), dev), nil
}

// waitHost returns when somebody is connected to the host's end of the port.
// While nobody is, the port reads as at its end and polls as hung up
// (drivers/char/virtio_console.c: port_fops_read, port_fops_poll); Go's poller
// is edge-triggered, so the wait costs nothing until that changes.
func waitHost(port *os.File) error {
	conn, err := port.SyscallConn()
	if err != nil {
		return err
	}
	var pollErr error
	err = conn.Write(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if _, pollErr = unix.Poll(fds, 0); pollErr != nil {
			return !errors.Is(pollErr, unix.EINTR)
		}
		return fds[0].Revents&unix.POLLHUP == 0
	})
	return errors.Join(err, pollErr)
}
