// Package process keeps a started process of a container: its standard
// streams, its signals and how it ended. It does not know how it is started.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/stream"
)

var (
	// ErrEnded is the answer of Signal after the process's end.
	ErrEnded = errors.New("process has ended")
	// ErrNoStream is the answer about a stream that the process does not have.
	ErrNoStream = errors.New("process has no such stream")
	// ErrNoTerminal is the answer of Resize for a process with pipes.
	ErrNoTerminal = errors.New("process has no terminal")
)

// Exit is how a process ended.
type Exit struct {
	// Code is 0 to 255, or 128 + the number of the signal that ended it.
	Code int32
	At   time.Time
	// OOMKilled: the kernel's OOM killer had struck in the container.
	OOMKilled bool
}

// Waiter reaps one process: libcontainer's Process.
type Waiter interface {
	Wait() (*os.ProcessState, error)
}

// Process is a started process. Its methods may be called by any goroutine, at
// any time, also after its end.
type Process struct {
	// PID is in the guest's root pid namespace.
	PID int

	pidfd    *os.File
	terminal *os.File
	stdin    *stream.Input
	stdout   *stream.Output
	stderr   *stream.Output
	sources  []*source

	done chan struct{}
	exit Exit
	// remove makes Remove idempotent.
	remove sync.Once
}

// New takes over a process that has just been started with stdio, and reaps it
// when it ends. beforeEnd runs between the reaping and the moment that Done is
// closed; it may complete the exit. On an error the process is killed and
// reaped, and stdio closed.
func New(pid int, w Waiter, stdio *Stdio, beforeEnd func(*Exit)) (*Process, error) {
	stdio.CloseChild()
	// The pid names our child until w reaps it.
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err == nil {
		p := &Process{PID: pid, pidfd: os.NewFile(uintptr(fd), "pidfd"), done: make(chan struct{})}
		if err = p.attach(stdio); err == nil {
			go p.wait(w, beforeEnd)
			return p, nil
		}
		p.pidfd.Close()
	}
	unix.Kill(pid, unix.SIGKILL)
	w.Wait()
	stdio.Close()
	return nil, fmt.Errorf("process %d: %w", pid, err)
}

func (p *Process) attach(s *Stdio) error {
	if s.console != nil {
		master, err := s.receiveTerminal()
		if err != nil {
			return err
		}
		p.terminal = master
		p.stdin = stream.NewInput(terminalInput{master})
		p.stdout, err = p.output(master)
		return err
	}
	in, err := newPipeInput(s.stdin)
	if err != nil {
		return err
	}
	p.stdin = stream.NewInput(in)
	if p.stdout, err = p.output(s.stdout); err != nil {
		return err
	}
	p.stderr, err = p.output(s.stderr)
	return err
}

// output starts the pump from a pipe or terminal into a stream.
func (p *Process) output(file *os.File) (*stream.Output, error) {
	src, err := newSource(file)
	if err != nil {
		return nil, err
	}
	p.sources = append(p.sources, src)
	out := stream.NewOutput(stream.DefaultWindow)
	go func() {
		// An error of the pipe and its end are the same to the reader. After
		// a refusal the process shall get its SIGPIPE, so the pipe is closed;
		// a terminal lives on, for its input.
		out.ReadFrom(src)
		out.Close()
		switch {
		case file != p.terminal && out.Refused():
			file.Close()
		case file != p.terminal:
			src.drop()
		case out.Refused():
			io.Copy(io.Discard, src)
		}
	}()
	return out, nil
}

// terminalInput writes to a terminal and leaves it open at the input's end: to
// close the master would hang the terminal up.
type terminalInput struct{ *os.File }

// Close only unblocks a Write, as stream.Input wants it.
func (t terminalInput) Close() error { return t.SetWriteDeadline(time.Unix(1, 0)) }

// wait reaps the process and ends its streams.
func (p *Process) wait(w Waiter, beforeEnd func(*Exit)) {
	p.waitEnd()
	state, _ := w.Wait()
	p.exit = Exit{Code: exitCode(state), At: time.Now()}
	for _, s := range p.sources {
		s.ended()
	}
	p.stdin.Abort()
	beforeEnd(&p.exit)
	close(p.done)
}

// waitEnd returns when the process is a zombie. Go's own Wait would block a
// thread for each process; a pidfd becomes readable instead.
func (p *Process) waitEnd() {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	// An error leaves the waiting to Wait.
	_ = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n != 0 || (err != nil && !errors.Is(err, unix.EINTR))
	})
}

// exitCode never answers 0 for a process whose end nobody saw. The error of a
// Wait is only that the process was not successful.
func exitCode(state *os.ProcessState) int32 {
	if state == nil {
		return 255
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return 255
	case status.Signaled():
		return 128 + int32(status.Signal())
	default:
		return int32(status.ExitStatus())
	}
}

// Done is closed when the process has been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit answers how it ended; only after Done is closed.
func (p *Process) Exit() Exit { return p.exit }

// Running tells whether it has not been reaped.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal, by pidfd: the pid may be another's by now. 0 probes.
func (p *Process) Signal(sig unix.Signal) error {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return ErrEnded
	}
	var serr error
	if err := raw.Control(func(fd uintptr) { serr = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return ErrEnded
	}
	if errors.Is(serr, unix.ESRCH) {
		return ErrEnded
	}
	return serr
}

// Resize sets the terminal's size in characters.
func (p *Process) Resize(rows, columns uint16) error {
	if p.terminal == nil {
		return ErrNoTerminal
	}
	raw, err := p.terminal.SyscallConn()
	if err != nil {
		return ErrEnded
	}
	var ierr error
	err = raw.Control(func(fd uintptr) {
		ierr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
	if err != nil {
		return ErrEnded
	}
	return ierr
}

// Stdin answers the input stream.
func (p *Process) Stdin() *stream.Input { return p.stdin }

// Stdout answers the output stream; with a terminal, all that it prints.
func (p *Process) Stdout() *stream.Output { return p.stdout }

// Stderr answers the error stream, or ErrNoStream with a terminal.
func (p *Process) Stderr() (*stream.Output, error) {
	if p.stderr == nil {
		return nil, ErrNoStream
	}
	return p.stderr, nil
}

// Remove frees what is kept of an ended process; its streams end for their
// clients, too.
func (p *Process) Remove() {
	p.remove.Do(func() {
		p.stdin.Abort()
		p.stdout.Abort()
		if p.stderr != nil {
			p.stderr.Abort()
		}
		if p.terminal != nil {
			p.terminal.Close() // a pipe is closed when nobody writes to it
		}
		p.pidfd.Close()
	})
}
