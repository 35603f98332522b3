package service

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/process"
)

// infra is a pause container: it answers as if a process were there that does
// nothing but wait for a signal. The guest needs no such process, because the
// sandbox's namespaces are its own; only a shared pid namespace has one, which
// is the sandbox's and ends with it.
type infra struct {
	id    string
	pause int // pid of the sandbox's pause process, 0 without one
	ended func(process.Exit)

	mu      sync.Mutex
	started bool
	paused  bool
	done    chan struct{}
	exit    process.Exit
}

func newInfra(id string, pause int, ended func(process.Exit)) *infra {
	return &infra{id: id, pause: pause, ended: ended, done: make(chan struct{})}
}

func (i *infra) PID() int { return i.pause }

func (i *infra) Done() <-chan struct{} { return i.done }

// Exit is valid after Done is closed.
func (i *infra) Exit() process.Exit { return i.exit }

func (i *infra) Start() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over() || i.paused {
		return fmt.Errorf("%w: cannot start container %s: it was started", container.ErrState, i.id)
	}
	i.started = true
	return nil
}

func (i *infra) over() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

func (i *infra) Pause() error  { return i.setPaused("pause", true) }
func (i *infra) Resume() error { return i.setPaused("resume", false) }

func (i *infra) setPaused(verb string, to bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.started || i.over() {
		return fmt.Errorf("%w: cannot %s container %s", container.ErrState, verb, i.id)
	}
	i.paused = to
	return nil
}

// Signal acts as it would on a program that catches nothing.
func (i *infra) Signal(_ context.Context, execID string, sig unix.Signal) error {
	if execID != "" {
		return fmt.Errorf("%w: container %s has no process %q", container.ErrNotFound, i.id, execID)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over() {
		return fmt.Errorf("%w: container %s is stopped", container.ErrNotFound, i.id)
	}
	switch sig {
	case 0, unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH,
		unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		// signal(7): ignored, or stopped, which nobody could tell.
		return nil
	}
	i.exit = process.Exit{Code: 128 + int32(sig), At: time.Now()}
	close(i.done)
	i.ended(i.exit)
	return nil
}

func (i *infra) SignalAll(ctx context.Context, sig unix.Signal) error {
	if err := i.Signal(ctx, "", sig); err != nil && !i.over() {
		return err
	}
	return nil
}

func (i *infra) End() error { return i.Remove() }

func (i *infra) Remove() error { return i.SignalAll(context.Background(), unix.SIGKILL) }
