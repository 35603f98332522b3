package container

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// NewConsole makes a terminal, hands its master to whoever listens on the
// console socket (one message with the descriptor, as runc does it), and
// answers the slave, which becomes a shim's standard input and output.
func NewConsole(ctx context.Context, socket string, size *console.WinSize) (*os.File, error) {
	conn, err := sock.Dial(ctx, socket)
	if err != nil {
		return nil, fmt.Errorf("console socket: %w", err)
	}
	defer conn.Close()
	master, slavePath, err := console.NewPty()
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	defer master.Close()
	if size != nil {
		if err := master.Resize(*size); err != nil {
			return nil, fmt.Errorf("console: %w", err)
		}
	}
	// O_NOCTTY: it must not become this process's terminal.
	slave, err := os.OpenFile(slavePath, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		slave.Close()
		return nil, err
	}
	var sendErr error
	err = raw.Write(func(fd uintptr) bool {
		sendErr = unix.Sendmsg(int(fd), []byte(slavePath), unix.UnixRights(int(master.Fd())), nil, 0)
		return sendErr != unix.EAGAIN
	})
	if err == nil {
		err = sendErr
	}
	if err != nil {
		slave.Close()
		return nil, fmt.Errorf("console socket %s: send the terminal: %w", socket, err)
	}
	return slave, nil
}
