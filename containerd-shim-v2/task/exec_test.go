package task

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// guest is an agent in which a process's start takes until it is allowed.
type guest struct {
	agentpb.UnimplementedAgentServer
	starting, goOn  chan struct{}
	signals, resize chan string // for which process; empty for the init
}

func newGuest() *guest {
	return &guest{starting: make(chan struct{}), goOn: make(chan struct{}), signals: make(chan string, 10), resize: make(chan string, 10)}
}

func (g *guest) ExecProcess(context.Context, *agentpb.ExecProcessRequest) (*agentpb.ExecProcessReply, error) {
	close(g.starting)
	<-g.goOn
	return &agentpb.ExecProcessReply{Pid: 7}, nil
}

func (g *guest) SignalProcess(_ context.Context, r *agentpb.SignalProcessRequest) (*agentpb.Empty, error) {
	g.signals <- r.ExecId
	return &agentpb.Empty{}, nil
}

func (g *guest) ResizeTTY(_ context.Context, r *agentpb.ResizeTTYRequest) (*agentpb.Empty, error) {
	g.resize <- r.ExecId
	return &agentpb.Empty{}, nil
}

// running answers a service with a container "a" that runs in a guest; this
// process stands for its VM.
func running(t *testing.T, g *guest) (*Service, *task) {
	t.Helper()
	s, c := created(t)
	path := filepath.Join(t.TempDir(), "agent.sock")
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	go call.NewServer(agentpb.AgentHandler(g)).Serve(l)
	t.Cleanup(func() { l.Close() })
	self, err := proc.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(s.Root)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := store.Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	st := new(sandbox.State)
	if err := dir.Update(st, func() error {
		*st = sandbox.State{ID: "a", VM: hypervisor.VM{Process: self}, Agent: "unix://" + path,
			Containers: map[string]*sandbox.Container{"a": {ID: "a", Service: self, Started: true, PID: self.PID}}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// asked is a context that tells when somebody begins to wait for its end.
type asked struct {
	context.Context
	done chan struct{}
}

func (a asked) Done() <-chan struct{} {
	select {
	case a.done <- struct{}{}:
	default:
	}
	return a.Context.Done()
}

// What is meant for a process that is being started must not reach the
// container's init, whose id in the guest is the empty one.
func TestCallsForAnExecThatIsBeingStarted(t *testing.T) {
	for name, test := range map[string]struct {
		call func(context.Context, *Service) error
		to   func(*guest) chan string
	}{
		"kill": {func(ctx context.Context, s *Service) error {
			_, err := s.Kill(ctx, &taskapi.KillRequest{ID: "a", ExecID: "e", Signal: 9})
			return err
		}, func(g *guest) chan string { return g.signals }},
		"resize": {func(ctx context.Context, s *Service) error {
			_, err := s.ResizePty(ctx, &taskapi.ResizePtyRequest{ID: "a", ExecID: "e", Width: 80, Height: 24})
			return err
		}, func(g *guest) chan string { return g.resize }},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest()
			s, c := running(t, g)
			e := newProcess("e", streams{terminal: true})
			e.spec = &specs.Process{Args: []string{"sleep", "9"}}
			c.execs["e"] = e
			allow := sync.OnceFunc(func() { close(g.goOn) })
			defer allow()
			started := make(chan error, 1)
			go func() {
				_, err := s.Start(t.Context(), &taskapi.StartRequest{ID: "a", ExecID: "e"})
				started <- err
			}()
			select {
			case <-g.starting:
			case err := <-started:
				t.Fatalf("the start answers %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			waits := make(chan struct{}, 1)
			called := make(chan error, 1)
			go func() { called <- test.call(asked{ctx, waits}, s) }()
			select {
			case <-waits:
			case err := <-called:
				t.Fatalf("before the process runs: %v", err)
			}
			allow()
			if err := <-started; err != nil {
				t.Error(err)
			}
			if err := <-called; err != nil {
				t.Fatal(err)
			}
			if to := <-test.to(g); to == "" || to != e.guestID() {
				t.Errorf("process %q of the guest got it, want %q", to, e.guestID())
			}
		})
	}
}

// A process that could not be started has no id in the guest, ever.
func TestCallsForAnExecThatCouldNotBeStarted(t *testing.T) {
	g := newGuest()
	s, c := running(t, g)
	e := newProcess("e", streams{terminal: true})
	e.begun()
	e.never(neverRan)
	c.execs["e"] = e
	if _, err := s.ResizePty(t.Context(), &taskapi.ResizePtyRequest{ID: "a", ExecID: "e", Width: 80, Height: 24}); err == nil || len(g.resize) > 0 {
		t.Errorf("%v, and %d terminals have another size", err, len(g.resize))
	}
}

// A client may say that there is no more input before the process is started.
func TestInputThatEndsBeforeTheStart(t *testing.T) {
	s := quiet(t)
	e := newProcess("e", streams{})
	s.tasks["a"] = &task{id: "a", ready: true, execs: map[string]*process{"e": e}}
	if _, err := s.CloseIO(t.Context(), &taskapi.CloseIORequest{ID: "a", ExecID: "e", Stdin: true}); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "in")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	io, err := openStdio(streams{stdin: pipe}, "e", "ns")
	if err != nil {
		t.Fatal(err)
	}
	defer io.close()
	e.setIO(io)
	in, err := io.openInput()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ends(t, in)
}

// A client that does not ask whether there is a terminal may give its size.
func TestResizeWithoutATerminal(t *testing.T) {
	g := newGuest()
	s, _ := running(t, g)
	if _, err := s.ResizePty(t.Context(), &taskapi.ResizePtyRequest{ID: "a", Width: 80, Height: 25}); err != nil {
		t.Error(err)
	}
	if len(g.resize) > 0 {
		t.Error("the guest was asked")
	}
}

// An end is written down before it is told: its code is not known until then.
func TestStateBetweenTheEndAndItsCode(t *testing.T) {
	s, c := running(t, newGuest())
	state := func() *taskapi.StateResponse {
		reply, err := s.State(t.Context(), &taskapi.StateRequest{ID: "a"})
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	c.init.begun()
	if err := c.host.Ended("a"); err != nil {
		t.Fatal(err)
	}
	if now := state(); now.Status != tasktypes.Status_RUNNING {
		t.Errorf("%v with code %d", now.Status, now.ExitStatus)
	}
	c.init.never(5)
	if now := state(); now.Status != tasktypes.Status_STOPPED || now.ExitStatus != 5 || now.ExitedAt == nil {
		t.Errorf("%v", now)
	}
}
