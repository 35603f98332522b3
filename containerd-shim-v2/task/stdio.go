package task

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// stdio are the ends of a process's standard streams on the host, opened.
type stdio struct {
	stdin, stdout, stderr *os.File
	// hold keeps standard input from ending before CloseIO; nil without one.
	hold *os.File
}

// openStdio opens what containerd names: pipes by their path, "file:" URIs of
// logs, nothing for an empty string.
func openStdio(stdin, stdout, stderr string) (s *stdio, err error) {
	s = &stdio{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.stdin, s.hold, err = openInput(stdin); err != nil {
		return nil, err
	}
	if s.stdout, err = openOutput(stdout); err != nil {
		return nil, err
	}
	s.stderr, err = openOutput(stderr)
	return s, err
}

func openInput(path string) (in, hold *os.File, err error) {
	if path == "" {
		in, err = os.Open(os.DevNull)
		return in, nil, err
	}
	// Without a wait for the writer. It may come, go, and come again, until
	// CloseIO says that there will be no more.
	if in, err = os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
		return nil, nil, fmt.Errorf("standard input: %w", err)
	}
	if hold, err = os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); err != nil {
		in.Close()
		return nil, nil, fmt.Errorf("standard input: %w", err)
	}
	return in, hold, nil
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
	if s.hold != nil {
		s.hold.Close()
	}
}

// close closes what nobody has taken over; more than once is no error.
func (s *stdio) close() {
	s.closeInput()
	for _, f := range []*os.File{s.stdin, s.stdout, s.stderr} {
		if f != nil {
			f.Close()
		}
	}
}

// closeOutputs is for after the relay, which has closed the input.
func (s *stdio) closeOutputs() {
	s.closeInput()
	s.stdout.Close()
	s.stderr.Close()
}
