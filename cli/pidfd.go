package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// sendPidfd hands a descriptor of the process to whoever listens on the socket.
func sendPidfd(path string, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd socket %s: %w", path, err)
	}
	defer unix.Close(fd)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := sock.Dial(ctx, path)
	if err != nil {
		return fmt.Errorf("pidfd socket: %w", err)
	}
	defer conn.Close()
	// The payload is the name that runc gives the descriptor.
	if _, _, err := conn.WriteMsgUnix([]byte("runc-pidfd"), unix.UnixRights(fd), nil); err != nil {
		return fmt.Errorf("pidfd socket %s: %w", path, err)
	}
	return nil
}
