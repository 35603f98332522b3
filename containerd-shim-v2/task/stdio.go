package task

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// stdio are the ends of a process's standard streams on the host.
type stdio struct {
	stdin          string
	stdout, stderr *outlet
	// logger takes the outputs; nil if that is no program of our starting.
	logger *logger

	mu sync.Mutex
	// hold keeps standard input from ending before CloseIO; nil without one.
	hold   *os.File
	closed bool
}

// openStdio opens what containerd names for the process id: pipes by their
// path, "file:" URIs of logs, nothing for an empty string. "binary:" as the
// standard output names a program that gets both. The input is opened later.
func openStdio(names streams, id, namespace string) (*stdio, error) {
	s := &stdio{stdin: names.stdin}
	var stdout, stderr *os.File
	var err error
	if strings.HasPrefix(names.stdout, "binary:") {
		s.logger, stdout, stderr, err = startLogger(names.stdout, id, namespace)
	} else if stdout, err = openOutput(names.stdout); err == nil {
		if stderr, err = openOutput(names.stderr); err != nil {
			stdout.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	s.stdout, s.stderr = &outlet{file: stdout}, &outlet{file: stderr}
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
	// Also where it has ended already: poll(2) tells of the end of a pipe only if it
	// had a writer since it was opened.
	if s.hold, err = os.OpenFile(s.stdin, os.O_WRONLY|unix.O_NONBLOCK, 0); err != nil {
		in.Close()
		return nil, err
	}
	if s.closed {
		s.hold.Close()
	}
	return in, nil
}

func openOutput(name string) (*os.File, error) {
	if name == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	path, flags, mode := name, os.O_RDWR|unix.O_NONBLOCK, os.FileMode(0)
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("standard output %s: %w", name, err)
		}
		switch u.Scheme {
		case "fifo":
			path = u.Path
		case "file":
			// As containerd's shim for runc makes them.
			path, flags, mode = u.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return nil, fmt.Errorf("standard output: %w", err)
			}
		default:
			return nil, fmt.Errorf("standard output %s: this shim knows pipes, file:// and (as standard output) binary://, not %s://", name, u.Scheme)
		}
	}
	// A pipe is opened for reading, too: so it does not break while containerd
	// is being restarted, and what is written waits in it.
	f, err := os.OpenFile(path, flags, mode)
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

// hurry gives up an output that nobody reads.
func (s *stdio) hurry() {
	s.stdout.hurry()
	s.stderr.hurry()
}

// close closes what the relay has not taken over, and waits for the end of the
// program that took the outputs.
func (s *stdio) close() {
	s.closeInput()
	s.stdout.file.Close()
	s.stderr.file.Close()
	if s.logger != nil {
		s.logger.end()
	}
}

// patience is how long a reader may take nothing once an output is in a hurry:
// containerd's own shim gives them all as much at a process's deletion.
const patience = 2 * time.Second

// outlet is an output that can be given a limit while it is written.
type outlet struct {
	file    *os.File
	hurried atomic.Bool
}

func (o *outlet) Write(data []byte) (int, error) {
	if o.hurried.Load() {
		o.limit()
	}
	return o.file.Write(data)
}

func (o *outlet) hurry() {
	o.hurried.Store(true)
	o.limit()
}

// limit has a write that goes on or begins fail when its reader takes too
// long. A file has no limit, and needs none.
func (o *outlet) limit() { _ = o.file.SetWriteDeadline(time.Now().Add(patience)) }
