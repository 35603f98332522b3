package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/tty"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// signals are those that this process gets. First each ends a context, so that what
// has begun is taken back; from forward on they go to a process in the guest.
// None ends this process itself, until stop: nothing is left half made, or half
// deleted after the other process's end.
type signals struct {
	received chan os.Signal
	cancel   context.CancelFunc

	mu sync.Mutex
	// early has ended the context.
	early os.Signal
	pass  func(os.Signal)
}

// hearSignals answers a context that ends when the user or the engine wants
// this command to end.
func hearSignals() (context.Context, *signals) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &signals{received: make(chan os.Signal, 64), cancel: cancel}
	s.hear(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go s.deliver()
	return ctx, s
}

// interruptible is hearSignals for what does not forward them.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, s := hearSignals()
	return ctx, s.stop
}

// hear leaves out what this process was started to ignore, as by nohup(1).
func (s *signals) hear(list ...os.Signal) {
	for _, sig := range list {
		if !signal.Ignored(sig) {
			signal.Notify(s.received, sig)
		}
	}
}

func (s *signals) deliver() {
	for sig := range s.received {
		s.mu.Lock()
		if s.pass != nil {
			s.pass(sig)
		} else {
			s.early = sig
			s.cancel()
		}
		s.mu.Unlock()
	}
}

func (s *signals) stop() {
	signal.Stop(s.received)
	s.cancel()
}

// forward has all signals go to the shim from now on, beginning with one that came
// too late to keep its process from running.
func (s *signals) forward(shim interface{ Signal(os.Signal) error }) {
	terminal := tty.Is(os.Stdin)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass = func(sig os.Signal) {
		if forwards(sig, terminal) {
			_ = shim.Signal(sig) // one that has ended needs none
		}
	}
	if s.early != nil {
		s.pass(s.early)
	}
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		s.hear(n)
	}
}

// lastSignal is Linux's SIGRTMAX.
const lastSignal = 64

// waitForeground waits for a shim that has this process's standard input and
// output, passes signals on to it, and answers its exit code.
func (s *signals) waitForeground(shim *container.Shim) (int, error) {
	s.forward(shim)
	return shim.Wait()
}

// forwards tells whether a signal goes on to the shim: not the runtime's own,
// and not one that the terminal has sent to the shim as well, which is in the
// same process group then.
func forwards(sig os.Signal, terminal bool) bool {
	switch sig {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE:
		return false
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGWINCH:
		return !terminal
	}
	return true
}
