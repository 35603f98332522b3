package relay

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// lastSignal is Linux's SIGRTMAX.
const lastSignal = 64

// Catch begins to collect this process's signals for Relay.Signals; from then
// on none of them ends it. Not among them are
//   - SIGKILL and SIGSTOP, which nobody can catch;
//   - SIGCHLD: we have no children, and the process has its own;
//   - SIGURG, with which Go's runtime interrupts its own threads;
//   - SIGPIPE: a closed output is told to the process in another way;
//   - SIGTTIN and SIGTTOU, with which the kernel answers when we touch a
//     terminal from the background: relayed, they would stop the process in the
//     guest, and caught, the kernel would send them again and again.
func Catch() <-chan os.Signal {
	// Signals come in one at a time and stay in order; the size is that of a
	// burst that comes before there is a connection to pass them on.
	c := make(chan os.Signal, 1024)
	signal.Ignore(syscall.SIGPIPE, syscall.SIGTTIN, syscall.SIGTTOU)
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG,
			syscall.SIGPIPE, syscall.SIGTTIN, syscall.SIGTTOU:
		default:
			signal.Notify(c, n)
		}
	}
	return c
}

// signals passes signals on, in order, until ctx ends.
func (s *session) signals(ctx context.Context) {
	if s.Terminal {
		s.resize(ctx)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-s.Signals:
			if sig == syscall.SIGWINCH {
				if s.Terminal {
					s.resize(ctx)
				}
				continue
			}
			number := uint32(sig.(syscall.Signal))
			s.Log.Debug("signal", "number", number)
			s.call(ctx, "pass "+unix.SignalName(syscall.Signal(number))+" on", func(ctx context.Context) error {
				_, err := s.agent.SignalProcess(ctx, &agentpb.SignalProcessRequest{
					ContainerId: s.Container, ExecId: s.Exec, Signal: number,
				})
				return err
			})
		}
	}
}

// resize gives the process's terminal the size of ours.
func (s *session) resize(ctx context.Context) {
	size, err := unix.IoctlGetWinsize(descriptor(s.Console), unix.TIOCGWINSZ)
	if err != nil {
		if !errors.Is(err, unix.EIO) {
			s.Log.Warn("cannot read the terminal's size", "err", err)
		}
		return
	}
	// Nobody has set it yet: the engine will, and SIGWINCH comes then.
	if size.Row == 0 || size.Col == 0 {
		return
	}
	s.call(ctx, "resize the terminal", func(ctx context.Context) error {
		_, err := s.agent.ResizeTTY(ctx, &agentpb.ResizeTTYRequest{
			ContainerId: s.Container, ExecId: s.Exec, Rows: uint32(size.Row), Columns: uint32(size.Col),
		})
		return err
	})
}
