// Command pidfd listens on the unix socket of its argument, as an engine does
// that gives --pidfd-socket, and prints the pid of the process whose pidfd
// comes there. It waits for that process's end if it has a second argument.
package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	pid, err := receive(os.Args[1], len(os.Args) > 2)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pidfd:", err)
		os.Exit(1)
	}
	fmt.Println(pid)
}

func receive(path string, wait bool) (pid string, err error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return "", err
	}
	defer listener.Close()
	conn, err := listener.AcceptUnix()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	text, oob := make([]byte, 100), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(text, oob)
	if err != nil {
		return "", err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return "", fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return "", fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	// Pid: the process's, in our pid namespace (proc_pid_fdinfo(5)).
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fds[0]))
	if err != nil {
		return "", err
	}
	if wait {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}}, -1); err != nil {
			return "", err
		}
	}
	for line := range strings.Lines(string(info)) {
		if value, found := strings.CutPrefix(line, "Pid:"); found {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("not a pidfd: %s", info)
}
