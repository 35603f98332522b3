package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// fakeAgent takes calls and answers those that the tests let it.
type fakeAgent struct {
	agentpb.UnimplementedAgentServer
	exec     func(ctx context.Context, id string) error
	signaled chan string
	removed  chan string
	features []string
}

func (a *fakeAgent) ExecProcess(ctx context.Context, r *agentpb.ExecProcessRequest) (*agentpb.ExecProcessReply, error) {
	return &agentpb.ExecProcessReply{}, a.exec(ctx, r.ExecId)
}

func (a *fakeAgent) SignalProcess(_ context.Context, r *agentpb.SignalProcessRequest) (*agentpb.Empty, error) {
	a.signaled <- r.ExecId
	return &agentpb.Empty{}, nil
}

func (a *fakeAgent) WaitProcess(context.Context, *agentpb.ProcessRequest) (*agentpb.WaitProcessReply, error) {
	return &agentpb.WaitProcessReply{}, nil
}

func (a *fakeAgent) RemoveProcess(_ context.Context, r *agentpb.ProcessRequest) (*agentpb.Empty, error) {
	a.removed <- r.ExecId
	return &agentpb.Empty{}, nil
}

// running is a host with a container "c", whose agent is a and whose VM this
// process.
func running(t *testing.T, a *fakeAgent) *Host {
	t.Helper()
	h, err := NewHost(t.TempDir(), &Settings{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := h.store.Create("c", "c")
	if err != nil {
		t.Fatal(err)
	}
	l, err := sock.Listen(filepath.Join(dir.Path, "a.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go call.NewServer(agentpb.AgentHandler(a)).Serve(l)
	self, err := proc.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	st := new(State)
	made := State{ID: "c", Agent: "unix://" + filepath.Join(dir.Path, "a.sock"), VM: hypervisor.VM{Process: self},
		Containers: map[string]*Container{"c": {ID: "c", Started: true, Service: self}}}
	if err := dir.Update(st, func() error { *st = made; return nil }); err != nil {
		t.Fatal(err)
	}
	return h
}

func newFakeAgent() *fakeAgent {
	return &fakeAgent{signaled: make(chan string, 1), removed: make(chan string, 1)}
}

func execIn(ctx context.Context, h *Host, published error) error {
	_, err := h.Exec(ctx, &ExecRequest{ID: "c", Process: &specs.Process{Args: []string{"x"}},
		Attach: func(string, string) error { return nil }, Publish: func(int) error { return published }})
	return err
}

// TestAnExecThatIsGivenUp: the agent may have started the process all the same.
func TestAnExecThatIsGivenUp(t *testing.T) {
	a := newFakeAgent()
	h := running(t, a)
	ctx, giveUp := context.WithCancel(t.Context())
	started := ""
	a.exec = func(ctx context.Context, id string) error {
		started = id
		giveUp()
		<-ctx.Done()
		return nil
	}
	if err := execIn(ctx, h, nil); guestCode(err) != call.Canceled {
		t.Errorf("%v", err)
	}
	if id := <-a.signaled; id == "" || id != started {
		t.Errorf("process %q is ended, %q was started", id, started)
	}
	if id := <-a.removed; id != started {
		t.Errorf("process %q is forgotten, %q was started", id, started)
	}
}

func TestAnExecThatNobodyLearnsOf(t *testing.T) {
	a := newFakeAgent()
	h := running(t, a)
	a.exec = func(context.Context, string) error { return nil }
	no := errors.New("no")
	if err := execIn(t.Context(), h, no); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	if <-a.signaled == "" || <-a.removed == "" {
		t.Error("another process is ended")
	}
}

// TestTakeBack: what is not there needs no taking back.
func TestTakeBack(t *testing.T) {
	h := running(t, newFakeAgent())
	answer := call.Errorf(call.NotFound, "no container c")
	if err := h.takeBack("c", func(context.Context, *agent) error { return answer }); err != nil {
		t.Error(err)
	}
	if err := h.takeBack("c", func(context.Context, *agent) error { return errDying }); err != nil {
		t.Error(err)
	}
	if err := h.takeBack("c", func(context.Context, *agent) error { return call.Errorf(call.Internal, "no") }); err == nil {
		t.Error("a failure of the guest's is no error")
	}
}
