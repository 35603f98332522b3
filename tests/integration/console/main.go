// Command console listens on the unix socket of its argument, as an engine does
// that gives --console-socket, writes its own input to the terminal that comes
// there, and prints what that says until nobody has it open any more.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	if err := relay(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(1)
	}
}

func relay(path string) error {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := listener.AcceptUnix()
	if err != nil {
		return err
	}
	defer conn.Close()
	name, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(name, oob)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	terminal := os.NewFile(uintptr(fds[0]), "terminal")
	if _, err := io.Copy(terminal, os.Stdin); err != nil {
		return err
	}
	// EIO: its other end is closed (pty(7)).
	if _, err := io.Copy(os.Stdout, terminal); err != nil && !errors.Is(err, unix.EIO) {
		return err
	}
	return nil
}
