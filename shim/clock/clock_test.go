package clock

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/internal/sock"
)

// guest has a clock that is off, and each way to it and back takes a time.
type guest struct {
	now      time.Time
	off, way time.Duration
	set      int
	err      error
}

func (g *guest) SetClock(_ context.Context, r *agentpb.SetClockRequest) (*agentpb.SetClockReply, error) {
	if g.err != nil {
		return nil, g.err
	}
	g.now = g.now.Add(g.way)
	if r.ClockNs != 0 {
		g.set++
		g.off = time.Duration(r.ClockNs - g.now.UnixNano())
	}
	reply := &agentpb.SetClockReply{ClockNs: g.now.Add(g.off).UnixNano()}
	g.now = g.now.Add(g.way)
	return reply, nil
}

func TestCorrect(t *testing.T) {
	for _, test := range []struct {
		off, way time.Duration
		set      bool
	}{
		{0, 0, false},
		{99 * time.Millisecond, 0, false},
		{-99 * time.Millisecond, time.Millisecond, false},
		{101 * time.Millisecond, 0, true},
		{-110 * time.Millisecond, time.Millisecond, true},
		{-time.Hour, 3 * time.Second, true},
		{time.Second, 2 * time.Second, false}, // a guest so slow may just have answered late
	} {
		g := &guest{now: time.Unix(1e9, 0), off: test.off, way: test.way}
		off, err := correct(t.Context(), g, func() time.Time { return g.now })
		if err != nil || (g.set == 1) != test.set || g.set > 1 {
			t.Errorf("%+v: set %d times, %v", test, g.set, err)
		}
		if want := test.off; test.set && (off != want || g.off != 0) {
			t.Errorf("%+v: off by %v, then by %v", test, off, g.off)
		}
	}
	for _, err := range []error{call.Errorf(call.InvalidArgument, "clock_ns 0"), errors.New("gone")} {
		_, got := correct(t.Context(), &guest{err: err}, time.Now)
		if got == nil || errors.Is(got, errOld) != (call.CodeOf(err) == call.InvalidArgument) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}

func TestTimer(t *testing.T) {
	timer, err := newTimer(20 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for range 2 {
		if err := timer.wait(); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took < 40*time.Millisecond {
		t.Errorf("two intervals took %v", took)
	}
	timer.interval = time.Hour
	time.AfterFunc(20*time.Millisecond, func() { timer.file.Close() })
	if err := timer.wait(); err == nil {
		t.Error("a closed timer waits to its end")
	}
}

// agent serves one guest's clock.
type agent struct {
	agentpb.UnimplementedAgentServer
	guest
	corrected chan time.Duration
}

func (a *agent) SetClock(ctx context.Context, r *agentpb.SetClockRequest) (*agentpb.SetClockReply, error) {
	a.now = time.Now()
	before := a.set
	reply, err := a.guest.SetClock(ctx, r)
	if a.set > before {
		a.corrected <- a.off
	}
	return reply, err
}

func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{guest: guest{off: -time.Hour}, corrected: make(chan time.Duration, 9)}
	server := call.NewServer(agentpb.AgentHandler(a))
	go server.Serve(stream.Split(l, func(conn net.Conn) { conn.Close() }))
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		Keep(ctx, "unix://"+path, 10*time.Millisecond, slog.New(slog.DiscardHandler))
	}()
	if off := <-a.corrected; off.Abs() > time.Second {
		t.Errorf("then it is off by %v", off)
	}
	cancel()
	<-over
}
