// Package relay stands in on the host for one process in a guest: its standard
// streams, its signals, its terminal's size and its exit code.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
)

// Lost is the exit code when the process's fate cannot be known: the VM has
// died, or the agent does not know the process. runc answers the same when it
// fails itself.
const Lost = 255

const (
	// attachTimeout bounds the opening of the streams: the process exists by
	// then, so only a guest that hangs needs longer.
	attachTimeout = 60 * time.Second
	// callTimeout bounds a signal, a resize, a removal.
	callTimeout = 10 * time.Second
	// drainTimeout is how long an output may be silent, after its process has
	// ended, before its end is given up: a guest must not keep us for ever.
	drainTimeout = 10 * time.Second
	// readerTimeout is how long our reader may take nothing of what a process
	// has left, before the process's end is told all the same.
	readerTimeout = 2 * time.Second
)

// killed is the exit code of a process that got SIGKILL.
const killed = 128 + int(unix.SIGKILL)

// Relay says for which process to stand in, and with what.
type Relay struct {
	// Agent is the agent's address.
	Agent string
	// Container and Exec name the process; Exec is empty for the init.
	Container, Exec string
	// Terminal: the process has one, and no standard error of its own.
	Terminal bool
	// Console is our terminal, whose size the process's gets; nil if it has none, or
	// if Signals is nil.
	Console *os.File
	// Stdin, Stdout and Stderr are ours.
	Stdin          *os.File
	Stdout, Stderr io.Writer
	// Input, if not nil, answers standard input in place of Stdin, when it is to
	// be read; it may wait until ctx ends. The file is closed after its use.
	Input func(ctx context.Context) (*os.File, error)
	// Signals are what this process gets, in the order in which it got it. Nil
	// if the caller passes signals and the terminal's size on by other ways.
	Signals <-chan os.Signal
	// OOMKilled, if not nil, is called before the end of Run if the guest's
	// kernel had to kill in the container for want of memory.
	OOMKilled func()
	// Ended, if not nil, is called when the process has ended and its output is
	// passed on, or nobody takes it: Run goes on with it then. It is not called
	// if Run answers at once, with an error.
	Ended func(code int)
	Log   *slog.Logger
}

// Run attaches to the process, which must exist, relays until it has ended and
// its output is passed on, and answers its exit code. An error means that the
// code is not known, and is Lost; the log has not got it yet.
//
// Output that nobody takes keeps Run, as a full pipe would keep the process;
// but one that was killed is not kept, unless Ended is there to tell it.
func (r *Relay) Run(ctx context.Context) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	agent, err := dial.Client(ctx, r.Agent)
	if err != nil {
		return Lost, fmt.Errorf("%s: %w", r, err)
	}
	defer agent.Close()
	s := &session{Relay: r, agent: agent}
	if err := s.attach(ctx); err != nil {
		return Lost, fmt.Errorf("%s: %w", r, explain(err))
	}
	if s.Signals != nil {
		go s.signals(ctx)
	}
	if s.stdin != nil {
		go s.input(ctx)
	}
	outputs := s.outputs()
	wait := s.process()
	wait.Owner = r.Exec != ""
	reply, err := agent.WaitProcess(ctx, wait)
	code := Lost
	switch {
	case err != nil:
		err = fmt.Errorf("%s: wait for its end: %w", r, explain(err))
	case reply.ExitCode < 0 || reply.ExitCode > 255:
		err = fmt.Errorf("%s: the agent reports the impossible exit code %d", r, reply.ExitCode)
	default:
		code = int(reply.ExitCode)
	}
	// Also after an error: what the guest said last is still on its way through
	// the sockets.
	all := s.drain(outputs, limits{guest: drainTimeout, reader: readerTimeout})
	if err == nil && reply.OomKilled && r.OOMKilled != nil {
		r.OOMKilled()
	}
	if r.Ended != nil {
		r.Ended(code)
	}
	// Nobody waits for ever for a reader of what the killed have said, nor of what a
	// VM has that has died.
	if over := code == killed || call.CodeOf(err) == call.Unavailable; !all && (r.Ended != nil || !over) {
		s.drain(outputs, limits{guest: drainTimeout})
	}
	if r.Exec != "" && err == nil {
		s.call(ctx, "remove process", func(ctx context.Context) error {
			_, err := agent.RemoveProcess(ctx, s.process())
			return err
		})
	}
	return code, err
}

// String names the process.
func (r *Relay) String() string {
	if r.Exec == "" {
		return "container " + r.Container
	}
	return fmt.Sprintf("process %s of container %s", r.Exec, r.Container)
}

// explain makes a person's words of a call's error.
func explain(err error) error {
	if call.CodeOf(err) == call.Unavailable {
		return fmt.Errorf("the connection to the VM is lost, it has probably died: %w", err)
	}
	return err
}

// session is a Relay that is connected.
type session struct {
	*Relay
	agent                 *dial.Agent
	stdin, stdout, stderr *stream.Client
}

func (s *session) process() *agentpb.ProcessRequest {
	return &agentpb.ProcessRequest{ContainerId: s.Container, ExecId: s.Exec}
}

// call makes a call whose failure only the log gets. That the process is gone
// is no failure: it may end at any time.
func (s *session) call(ctx context.Context, what string, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := do(ctx)
	switch call.CodeOf(err) {
	case call.OK:
	case call.NotFound, call.FailedPrecondition, call.Canceled:
		s.Log.Debug("cannot "+what, "err", explain(err))
	default:
		s.Log.Warn("cannot "+what, "err", explain(err))
	}
}

// attach opens the streams, all at once: each costs a round trip.
func (s *session) attach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	wanted := map[agentpb.Stream]**stream.Client{
		agentpb.Stream_STDIN: &s.stdin, agentpb.Stream_STDOUT: &s.stdout,
	}
	if !s.Terminal {
		wanted[agentpb.Stream_STDERR] = &s.stderr
	}
	var group sync.WaitGroup
	errs := make(chan error, len(wanted))
	for kind, client := range wanted {
		group.Go(func() {
			var err error
			*client, err = s.agent.Attach(ctx, &agentpb.StreamHello{ContainerId: s.Container, ExecId: s.Exec, Stream: kind})
			// A process may have closed its input, or ended, before, and a pod's
			// infra container has no streams at all: that is no reason not to
			// pass on what there is, and the end.
			if call.CodeOf(err) == call.FailedPrecondition {
				s.Log.Debug("no such stream", "stream", kind.String(), "err", err)
				err = nil
			}
			errs <- err
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		if err == nil {
			continue
		}
		for _, client := range wanted {
			if *client != nil {
				(*client).Close()
			}
		}
		return err
	}
	return nil
}

// output is one stream on its way out.
type output struct {
	done  chan struct{}
	moved *progress
}

// outputs starts to pass the outputs on.
func (s *session) outputs() []output {
	var all []output
	for _, o := range []struct {
		client *stream.Client
		file   io.Writer
	}{{s.stdout, s.Stdout}, {s.stderr, s.Stderr}} {
		if o.client == nil {
			continue
		}
		out := output{done: make(chan struct{}), moved: newProgress(o.file)}
		all = append(all, out)
		go func() {
			defer close(out.done)
			switch err := o.client.CopyTo(out.moved); {
			case errors.Is(err, stream.ErrRefused):
				// Our reader has gone. The agent closes the process's end, so
				// that it gets its SIGPIPE, as it would beside the reader.
				s.Log.Debug("output is no longer read", "err", err)
			case err != nil:
				s.Log.Debug("output broke off", "err", err)
			}
		}()
	}
	return all
}

// drain returns when the outputs are passed on to their end, or beyond the
// limits. It answers false if our reader is what keeps one of them.
func (s *session) drain(outputs []output, l limits) bool {
	all := true
	for _, out := range outputs {
		switch out.moved.wait(out.done, l) {
		case silent:
			s.Log.Warn("the guest does not end an output of a process that has ended", "process", s.String())
		case untouched:
			s.Log.Debug("nobody reads the output of a process that has ended", "process", s.String())
			all = false
		}
	}
	return all
}

// input passes standard input on, until ctx ends. It may be left where it
// stands when we exit.
func (s *session) input(ctx context.Context) {
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		select {
		case <-s.stdin.Refused():
		case <-ctx.Done():
			s.stdin.Close()
		}
	}()
	file := s.Stdin
	if s.Input != nil {
		var err error
		if file, err = s.Input(ctx); err != nil {
			if ctx.Err() == nil {
				s.Log.Warn("no standard input", "err", err)
			}
			s.stdin.Close()
			return
		}
	}
	in, err := newInput(file, stop)
	if err == nil {
		err = s.stdin.CopyFrom(in)
		// Whoever writes to our input shall see that nobody reads it. A terminal
		// is needed still, for its size and its mode.
		if file != s.Console {
			in.close()
		}
	}
	if err != nil && !errors.Is(err, stream.ErrRefused) && ctx.Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		s.Log.Warn("input broke off", "err", err)
	}
}
