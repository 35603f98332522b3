package process

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Stdio is a process's standard streams before it starts: the ends that it
// gets, and the ends that stay with the agent.
type Stdio struct {
	// Stdin, Stdout, Stderr are for the process; nil with a terminal.
	Stdin, Stdout, Stderr *os.File
	// ConsoleSocket is where the process sends its terminal; nil without one.
	ConsoleSocket *os.File

	stdin, stdout, stderr *os.File
	console               *os.File
}

// NewStdio makes pipes, or the socket that a terminal comes through.
func NewStdio(terminal bool) (*Stdio, error) {
	s := &Stdio{}
	if err := s.open(terminal); err != nil {
		s.Close()
		return nil, fmt.Errorf("make standard streams: %w", err)
	}
	return s, nil
}

func (s *Stdio) open(terminal bool) (err error) {
	if terminal {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		s.console = os.NewFile(uintptr(fds[0]), "console")
		s.ConsoleSocket = os.NewFile(uintptr(fds[1]), "console-child")
		return nil
	}
	if s.Stdin, s.stdin, err = os.Pipe(); err != nil {
		return err
	}
	if s.stdout, s.Stdout, err = os.Pipe(); err != nil {
		return err
	}
	s.stderr, s.Stderr, err = os.Pipe()
	return err
}

// Chown gives the process's ends to a user, who may then open them by their
// names (/dev/stdout). A terminal is the user's already, who made it.
func (s *Stdio) Chown(uid, gid int) error {
	for _, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		if f == nil {
			continue
		}
		if err := f.Chown(uid, gid); err != nil {
			return fmt.Errorf("give standard streams to user %d: %w", uid, err)
		}
	}
	return nil
}

// CloseChild closes the ends that the process got a copy of.
func (s *Stdio) CloseChild() {
	closeAll(s.Stdin, s.Stdout, s.Stderr, s.ConsoleSocket)
	s.Stdin, s.Stdout, s.Stderr, s.ConsoleSocket = nil, nil, nil, nil
}

// Close closes everything; for a process that did not start.
func (s *Stdio) Close() {
	s.CloseChild()
	closeAll(s.stdin, s.stdout, s.stderr, s.console)
	s.stdin, s.stdout, s.stderr, s.console = nil, nil, nil, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// receiveTerminal takes the terminal's master, which the process has sent by
// the time that libcontainer calls it started.
func (s *Stdio) receiveTerminal() (*os.File, error) {
	defer func() { s.console.Close(); s.console = nil }()
	name := make([]byte, 4096)
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(s.console.Fd()), name, control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil {
		return nil, fmt.Errorf("receive terminal: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return nil, fmt.Errorf("receive terminal: %w", err)
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil || len(fds) != 1 {
			continue
		}
		if err := unix.SetNonblock(fds[0], true); err != nil {
			unix.Close(fds[0])
			return nil, fmt.Errorf("receive terminal: %w", err)
		}
		return os.NewFile(uintptr(fds[0]), "ptmx"), nil
	}
	return nil, errors.New("receive terminal: the process sent none")
}
