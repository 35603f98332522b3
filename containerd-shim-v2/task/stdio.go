package task

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// stdio are the ends of a process's standard streams on the host.
type stdio struct {
	stdin          string
	stdout, stderr *os.File

	mu sync.Mutex
	// hold keeps standard input from ending before CloseIO; nil without one.
	hold   *os.File
	closed bool
}

// openStdio opens what containerd names: pipes by their path, "file:" URIs of
// logs, nothing for an empty string. The input is opened later.
func openStdio(stdin, stdout, stderr string) (_ *stdio, err error) {
	s := &stdio{stdin: stdin}
	if s.stdout, err = openOutput(stdout); err != nil {
		return nil, err
	}
	if s.stderr, err = openOutput(stderr); err != nil {
		s.stdout.Close()
		return nil, err
	}
	return s, nil
}

// openInput opens standard input, without a wait for the writer. It may come,
// go, and come again, until CloseIO says that there will be no more. A client
// that has no input says so as soon as the pipe is opened, and ctr says it in
// vain if it does not know of the task yet: so that is done after the start.
func (s *stdio) openInput() (*os.File, error) {
	if s.stdin == "" {
		return os.Open(os.DevNull)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := os.OpenFile(s.stdin, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if s.closed {
		return in, nil
	}
	if s.hold, err = os.OpenFile(s.stdin, os.O_WRONLY|unix.O_NONBLOCK, 0); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

func openOutput(name string) (*os.File, error) {
	if name == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	path, flags := name, os.O_RDWR|unix.O_NONBLOCK
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("standard output %s: %w", name, err)
		}
		switch u.Scheme {
		case "fifo":
			path = u.Path
		case "file":
			path, flags = u.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND
		default:
			return nil, fmt.Errorf("standard output %s: this shim knows pipes and file://, not %s://", name, u.Scheme)
		}
	}
	// A pipe is opened for reading, too: so it does not break while containerd
	// is being restarted, and what is written waits in it.
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("standard output: %w", err)
	}
	return f, nil
}

// closeInput lets standard input end when what is in the pipe has been read.
func (s *stdio) closeInput() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.hold != nil {
		s.hold.Close()
	}
}

// close closes what the relay has not taken over.
func (s *stdio) close() {
	s.closeInput()
	s.stdout.Close()
	s.stderr.Close()
}
