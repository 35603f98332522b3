package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/internal/proc"
)

func TestAgain(t *testing.T) {
	calls := 0
	err := again(t.Context(), func() error {
		if calls++; calls < 3 {
			return errors.New("the connection broke")
		}
		return fmt.Errorf("connect: %w", errDying)
	})
	if calls != 3 || !errors.Is(err, errDying) {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

func TestAgainUntilTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	broke := errors.New("the connection broke")
	done := make(chan error, 1)
	begun := make(chan struct{}, 10)
	go func() { done <- again(ctx, func() error { begun <- struct{}{}; return broke }) }()
	<-begun
	cancel()
	if err := <-done; !errors.Is(err, broke) {
		t.Errorf("%v", err)
	}
	if len(begun) != 0 {
		t.Error("it went on")
	}
}

func TestPace(t *testing.T) {
	now := time.Now()
	p := pace{now: func() time.Time { return now }, has: func(id string) bool { return id != "foreign" }}
	for _, step := range []struct {
		after time.Duration
		id    string
		told  bool
	}{
		{0, "a", true}, {0, "a", false}, {0, "b", true}, {0, "foreign", false}, {oomPause / 2, "a", false},
		{0, "c", true}, {oomPause / 2, "a", true}, {0, "a", false}, {0, "c", false}, {oomPause, "c", true},
	} {
		now = now.Add(step.after)
		if got := p.let(step.id); got != step.told {
			t.Errorf("%+v: %t", step, got)
		}
	}
	if len(p.last) != 1 {
		t.Errorf("it remembers %v, of which only c is of use", p.last)
	}
}

// liar is an agent that tells of kills in containers that are not its own.
type liar struct {
	agentpb.UnimplementedAgentServer
}

func (liar) Events(_ *agentpb.EventsRequest, out agentpb.Agent_EventsServer) error {
	for _, id := range []string{"victim", "a", "victim", "../a", "", "b"} {
		if err := out.Send(&agentpb.Event{Kind: agentpb.Event_OOM, ContainerId: id}); err != nil {
			return err
		}
	}
	<-out.Context().Done()
	return out.Context().Err()
}

func TestOOMsOfTheSandboxOnly(t *testing.T) {
	h, err := NewHost(t.TempDir(), &Settings{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go call.NewServer(agentpb.AgentHandler(liar{})).Serve(l)
	dir, err := h.store.Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	st := &State{ID: "a", Agent: "unix://" + path, Containers: map[string]*Container{"a": {ID: "a"}}}
	if st.VM.Process, err = proc.Of(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	disk := new(State)
	if err := dir.Update(disk, func() error { *disk = *st; return nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var told []string
	h.OOMs(ctx, "a", func(id string) bool { return id == "a" || id == "b" }, func(id string) {
		if told = append(told, id); id == "b" {
			cancel()
		}
	})
	if want := []string{"a", "b"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
}
