package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"testing"

	v1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	v2 "github.com/containerd/cgroups/v3/cgroup2/stats"
	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

func quiet(t *testing.T) *Service {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	events := NewEvents("", "ns", log)
	t.Cleanup(func() { events.Close(t.Context()) })
	return New(Config{Root: t.TempDir(), Events: events, Log: log, Shutdown: func() {}})
}

func TestCallsOnAnUnknownContainer(t *testing.T) {
	s, ctx := quiet(t), t.Context()
	for name, call := range map[string]func() error{
		"state":  func() error { _, err := s.State(ctx, &taskapi.StateRequest{ID: "a"}); return err },
		"start":  func() error { _, err := s.Start(ctx, &taskapi.StartRequest{ID: "a"}); return err },
		"kill":   func() error { _, err := s.Kill(ctx, &taskapi.KillRequest{ID: "a"}); return err },
		"delete": func() error { _, err := s.Delete(ctx, &taskapi.DeleteRequest{ID: "a"}); return err },
		"wait":   func() error { _, err := s.Wait(ctx, &taskapi.WaitRequest{ID: "a", ExecID: "e"}); return err },
		"exec":   func() error { _, err := s.Exec(ctx, &taskapi.ExecProcessRequest{ID: "a"}); return err },
		"pids":   func() error { _, err := s.Pids(ctx, &taskapi.PidsRequest{ID: "a"}); return err },
		"stats":  func() error { _, err := s.Stats(ctx, &taskapi.StatsRequest{ID: "a"}); return err },
		"pause":  func() error { _, err := s.Pause(ctx, &taskapi.PauseRequest{ID: "a"}); return err },
		"resume": func() error { _, err := s.Resume(ctx, &taskapi.ResumeRequest{ID: "a"}); return err },
		"update": func() error { _, err := s.Update(ctx, &taskapi.UpdateTaskRequest{ID: "a"}); return err },
		"resize": func() error { _, err := s.ResizePty(ctx, &taskapi.ResizePtyRequest{ID: "a"}); return err },
		"close":  func() error { _, err := s.CloseIO(ctx, &taskapi.CloseIORequest{ID: "a"}); return err },
	} {
		if code := status.Code(call()); code != codes.NotFound {
			t.Errorf("%s answers %s, want NotFound", name, code)
		}
	}
}

func TestEventsAreOfContainersThatAreThere(t *testing.T) {
	s := quiet(t)
	s.tasks["a"], s.tasks["making"] = &task{id: "a", ready: true}, &task{id: "making"}
	for id, want := range map[string]bool{"a": true, "making": false, "foreign": false} {
		if s.has(id) != want {
			t.Errorf("%s: %t", id, !want)
		}
	}
}

func TestSignalsForTheEnded(t *testing.T) {
	s := quiet(t)
	c := &task{id: "a", ready: true, init: newProcess("", streams{}), execs: map[string]*process{"e": newProcess("e", streams{})}}
	s.tasks["a"] = c
	c.init.never(0)
	c.execs["e"].never(0)
	if _, err := s.Kill(t.Context(), &taskapi.KillRequest{ID: "a", Signal: 15}); err != nil {
		t.Errorf("a container: %v", err)
	}
	if _, err := s.Kill(t.Context(), &taskapi.KillRequest{ID: "a", ExecID: "e", Signal: 15}); status.Code(err) != codes.NotFound {
		t.Errorf("an exec: %v, want NotFound", err)
	}
}

// A pod's deletion takes its containers along; containerd, which saw them end
// with the VM, deletes each by itself at the same time. One that stayed known kept
// the service from ending.
func TestDeleteAfterThePod(t *testing.T) {
	s, c := created(t)
	ended := make(chan struct{})
	s.Config.Shutdown = func() { close(ended) }
	c.init.never(137)
	if _, err := s.Shutdown(t.Context(), &taskapi.ShutdownRequest{ID: "pod"}); err != nil {
		t.Fatal(err)
	}
	reply, err := s.Delete(t.Context(), &taskapi.DeleteRequest{ID: "a"})
	if err != nil || reply.ExitStatus != 137 {
		t.Errorf("%v, %v", reply, err)
	}
	if s.forget(c) {
		t.Error("it was forgotten twice")
	}
	if _, err := s.Shutdown(t.Context(), &taskapi.ShutdownRequest{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	default:
		t.Error("the service goes on")
	}
}

func TestACreationThatFailsCanBeRepeated(t *testing.T) {
	s := quiet(t)
	for range 2 {
		_, err := s.Create(t.Context(), &taskapi.CreateTaskRequest{ID: "a", Bundle: t.TempDir()})
		if err == nil || status.Code(err) == codes.AlreadyExists {
			t.Errorf("create without config.json = %v", err)
		}
	}
	_, err := s.Create(t.Context(), &taskapi.CreateTaskRequest{ID: "a", Checkpoint: "/c"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("restore = %v", err)
	}
}

// containerd gives up a creation by Delete and Shutdown, and does not come back.
func TestACreationThatIsGivenUp(t *testing.T) {
	for name, giveUp := range map[string]func(*Service) error{
		"delete": func(s *Service) error {
			_, err := s.Delete(t.Context(), &taskapi.DeleteRequest{ID: "a"})
			if status.Code(err) != codes.NotFound {
				return fmt.Errorf("want NotFound, got %w", err)
			}
			return nil
		},
		"shutdown": func(s *Service) error {
			_, err := s.Shutdown(t.Context(), &taskapi.ShutdownRequest{ID: "a"})
			return err
		},
	} {
		s := quiet(t)
		over := false
		s.Config.Shutdown = func() { over = true }
		ctx, abort := context.WithCancel(t.Context())
		c := &task{id: "a", abort: abort, gone: make(chan struct{})}
		if err := s.reserve(c); err != nil {
			t.Fatal(err)
		}
		given := make(chan error, 1)
		go func() { given <- giveUp(s) }()
		<-ctx.Done()
		if err := s.made(c); !errors.Is(err, errAborted) {
			t.Errorf("%s: the creation goes on: %v", name, err)
		}
		s.forget(c)
		if err := <-given; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := name == "shutdown"; over != want {
			t.Errorf("%s: the service has ended: %v", name, over)
		}
	}
}

// A container that goes takes none of its pod along.
func TestShutdownWhileThereAreOthers(t *testing.T) {
	s := quiet(t)
	s.Config.Shutdown = func() { t.Error("the service ends") }
	making := &task{id: "b", abort: func() { t.Error("a creation is cut short") }, gone: make(chan struct{})}
	s.tasks = map[string]*task{"a": {id: "a", ready: true}, "b": making}
	if _, err := s.Shutdown(t.Context(), &taskapi.ShutdownRequest{ID: "c"}); err != nil {
		t.Error(err)
	}
}

func TestAnswerCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want codes.Code
	}{
		{nil, codes.OK},
		{fmt.Errorf("x: %w", sandbox.ErrNotExist), codes.NotFound},
		{fmt.Errorf("x: %w", sandbox.ErrEnded), codes.NotFound},
		{fmt.Errorf("x: %w", state.ErrExist), codes.AlreadyExists},
		{container.Running.Check(container.Start), codes.FailedPrecondition},
		{notFound("x"), codes.NotFound},
		{errors.New("x"), codes.Unknown},
	} {
		if got := status.Code(answer(c.err)); got != c.want {
			t.Errorf("%v answers %s, want %s", c.err, got, c.want)
		}
	}
}

// A guest may leave out whatever it likes.
func TestMetricsOfAnEmptyAnswer(t *testing.T) {
	for _, unified := range []bool{true, false} {
		if _, err := toAny(metrics(&agentpb.StatsReply{}, unified)); err != nil {
			t.Error(err)
		}
	}
}

// A limit of 0 bytes would be subtracted from.
func TestMetricsLimits(t *testing.T) {
	for _, test := range []struct{ memory, swap, memory2, swap2, both1 uint64 }{
		{0, 0, math.MaxUint64, math.MaxUint64, math.MaxUint64},
		{4096, 0, 4096, 0, 4096}, // no swap: memory.swap.max is 0, or the guest has none
		{4096, 8192, 4096, 8192, 12288},
	} {
		s := &agentpb.StatsReply{Memory: &agentpb.MemoryStats{Limit: test.memory, SwapLimit: test.swap}}
		if m := metrics(s, true).(*v2.Metrics).Memory; m.UsageLimit != test.memory2 || m.SwapLimit != test.swap2 {
			t.Errorf("%+v: v2: %d, swap %d", test, m.UsageLimit, m.SwapLimit)
		}
		if m := metrics(s, false).(*v1.Metrics).Memory; m.Usage.Limit != test.memory2 || m.Swap.Limit != test.both1 {
			t.Errorf("%+v: v1: %d, with swap %d", test, m.Usage.Limit, m.Swap.Limit)
		}
	}
}

func TestMetricsUnits(t *testing.T) {
	s := &agentpb.StatsReply{
		Cpu:    &agentpb.CPUStats{UsageNs: 5000, UserNs: 3000},
		Memory: &agentpb.MemoryStats{Usage: 4096, Raw: map[string]uint64{"inactive_file": 12}},
	}
	if m := metrics(s, true).(*v2.Metrics); m.CPU.UsageUsec != 5 || m.Memory.Usage != 4096 || m.Memory.InactiveFile != 12 {
		t.Errorf("v2: %v", m)
	}
	if m := metrics(s, false).(*v1.Metrics); m.CPU.Usage.Total != 5000 || m.Memory.TotalInactiveFile != 12 {
		t.Errorf("v1: %v", m)
	}
}
