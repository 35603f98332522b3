package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/network"
	"github.com/kata-go/kata-runtime/agent/process"
	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/internal/undo"
)

// serve answers a client of a server, over a real socket.
func serve(t *testing.T) (*Server, agentpb.AgentClient, string) {
	t.Helper()
	ready := make(chan struct{})
	close(ready)
	s := New(Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Release: "1", Ready: ready})
	path := t.TempDir() + "/a.sock"
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	go s.Calls().Serve(stream.Split(l, func(c net.Conn) { s.ServeStream(context.Background(), c) }))
	t.Cleanup(func() { l.Close() })
	client, err := dial.Client(t.Context(), "unix://"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return s, client, "unix://" + path
}

func want(t *testing.T, what string, err error, code call.Code) {
	t.Helper()
	if call.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
	if err != nil && strings.ContainsAny(err.Error(), "\n") {
		t.Errorf("%s: more than one line: %q", what, err)
	}
}

func TestHello(t *testing.T) {
	_, c, _ := serve(t)
	reply, err := c.Hello(t.Context(), &agentpb.HelloRequest{Version: wire.ProtocolVersion})
	if err != nil || reply.Version != wire.ProtocolVersion || reply.Release != "1" || len(reply.Features) == 0 {
		t.Errorf("%+v, %v", reply, err)
	}
	_, err = c.Hello(t.Context(), &agentpb.HelloRequest{Version: wire.ProtocolVersion + 1<<16})
	want(t, "another major version", err, call.FailedPrecondition)
}

func TestRequestsAreChecked(t *testing.T) {
	s, c, addr := serve(t)
	ctx := t.Context()
	s.put("infra", newInfra("infra", 0, func(process.Exit) {}))
	for name, call := range map[string]struct {
		do   func() error
		code call.Code
	}{
		"sandbox id": {func() error { _, e := c.CreateSandbox(ctx, &agentpb.CreateSandboxRequest{SandboxId: "a/b"}); return e }, call.InvalidArgument},
		"hook path": {func() error {
			_, e := c.CreateSandbox(ctx, &agentpb.CreateSandboxRequest{SandboxId: "a", GuestHookPath: "x"})
			return e
		}, call.InvalidArgument},
		"no sandbox": {func() error {
			_, e := c.CreateContainer(ctx, &agentpb.CreateContainerRequest{ContainerId: "a"})
			return e
		}, call.FailedPrecondition},
		"no container": {func() error { _, e := c.StartContainer(ctx, &agentpb.ContainerRequest{ContainerId: "a"}); return e }, call.NotFound},
		"dots":         {func() error { _, e := c.RemoveContainer(ctx, &agentpb.ContainerRequest{ContainerId: ".."}); return e }, call.InvalidArgument},
		"empty id":     {func() error { _, e := c.PauseContainer(ctx, &agentpb.ContainerRequest{}); return e }, call.InvalidArgument},
		"signal": {func() error {
			_, e := c.SignalProcess(ctx, &agentpb.SignalProcessRequest{ContainerId: "infra", Signal: 65})
			return e
		}, call.InvalidArgument},
		"infra exec": {func() error {
			_, e := c.ExecProcess(ctx, &agentpb.ExecProcessRequest{ContainerId: "infra", ExecId: "x"})
			return e
		}, call.FailedPrecondition},
		"tty size": {func() error {
			_, e := c.ResizeTTY(ctx, &agentpb.ResizeTTYRequest{ContainerId: "infra", Rows: 1 << 16, Columns: 1})
			return e
		}, call.InvalidArgument},
		"clock":   {func() error { _, e := c.SetClock(ctx, &agentpb.SetClockRequest{ClockNs: -1}); return e }, call.InvalidArgument},
		"entropy": {func() error { _, e := c.AddEntropy(ctx, &agentpb.AddEntropyRequest{}); return e }, call.InvalidArgument},
		"copy":    {func() error { _, e := c.CopyFile(ctx, &agentpb.CopyFileRequest{Path: "/etc/passwd"}); return e }, call.InvalidArgument},
		"interface": {func() error {
			_, e := c.UpdateInterfaces(ctx, &agentpb.UpdateInterfacesRequest{Interfaces: []*agentpb.Interface{{DeviceMac: "x"}}})
			return e
		}, call.InvalidArgument},
		"interface name": {func() error { _, e := c.RemoveInterface(ctx, &agentpb.RemoveInterfaceRequest{Name: "a/b"}); return e }, call.InvalidArgument},
		"CPUs":           {func() error { _, e := c.OnlineResources(ctx, &agentpb.OnlineResourcesRequest{Cpus: 1 << 20}); return e }, call.InvalidArgument},
		"destroy":        {func() error { _, e := c.DestroySandbox(ctx, &agentpb.DestroySandboxRequest{}); return e }, call.NotFound},
		"stream": {func() error {
			_, e := dial.Attach(ctx, addr, &agentpb.StreamHello{ContainerId: "a", Stream: agentpb.Stream_STDOUT})
			return e
		}, call.NotFound},
	} {
		want(t, name, call.do(), call.code)
	}
}

// TestSysctlsComeAfterTheNetwork: of two mistakes the one that comes first is told.
func TestSysctlsComeAfterTheNetwork(t *testing.T) {
	s, _, _ := serve(t)
	var back undo.List
	err := s.prepare(t.Context(), &sandbox{}, &agentpb.CreateSandboxRequest{
		Sysctls:    map[string]string{"..": "1"},
		Neighbours: []*agentpb.Neighbour{{Address: "x"}},
	}, &back)
	if !errors.Is(err, network.ErrInvalid) {
		t.Errorf("%v, want the neighbour's mistake", err)
	}
}

func TestAPanicIsOneCallsFault(t *testing.T) {
	s, c, _ := serve(t)
	s.put("bad", panicking{})
	_, err := c.StartContainer(t.Context(), &agentpb.ContainerRequest{ContainerId: "bad"})
	want(t, "a call that panics", err, call.Internal)
	_, err = c.Hello(t.Context(), &agentpb.HelloRequest{Version: wire.ProtocolVersion})
	want(t, "the next", err, call.OK)
}

type panicking struct{ member }

func (panicking) Start() error { panic("for the test") }

func TestInfra(t *testing.T) {
	s, c, _ := serve(t)
	ctx := t.Context()
	s.put("i", newInfra("i", 0, func(e process.Exit) { s.ended("i", "", e) }))
	id := &agentpb.ContainerRequest{ContainerId: "i"}
	_, err := c.PauseContainer(ctx, id)
	want(t, "pause before the start", err, call.FailedPrecondition)
	_, err = c.StartContainer(ctx, id)
	want(t, "start", err, call.OK)
	_, err = c.StartContainer(ctx, id)
	want(t, "start again", err, call.OK)
	for _, verb := range []string{"pause", "pause again"} {
		_, err = c.PauseContainer(ctx, id)
		want(t, verb, err, call.OK)
	}
	_, err = c.StartContainer(ctx, id)
	want(t, "start while it is paused", err, call.FailedPrecondition)
	for _, verb := range []string{"resume", "resume again"} {
		_, err = c.ResumeContainer(ctx, id)
		want(t, verb, err, call.OK)
	}
	waited := make(chan *agentpb.WaitProcessReply, 1)
	go func() {
		reply, _ := c.WaitProcess(ctx, &agentpb.ProcessRequest{ContainerId: "i"})
		waited <- reply
	}()
	for _, sig := range []uint32{0, 28, 15} { // a probe, SIGWINCH, SIGTERM
		_, err = c.SignalProcess(ctx, &agentpb.SignalProcessRequest{ContainerId: "i", Signal: sig})
		want(t, fmt.Sprint("signal ", sig), err, call.OK)
	}
	if reply := <-waited; reply.GetExitCode() != 143 {
		t.Errorf("ended with %+v", reply)
	}
	_, err = c.SignalProcess(ctx, &agentpb.SignalProcessRequest{ContainerId: "i", Signal: 9})
	want(t, "signal after the end", err, call.NotFound)
	_, err = c.RemoveContainer(ctx, id)
	want(t, "remove", err, call.OK)
	_, err = c.RemoveContainer(ctx, id)
	want(t, "remove again", err, call.NotFound)
}

func TestASlowListenerIsCutOff(t *testing.T) {
	var h hub
	l := h.listen()
	for range backlog + 1 {
		h.send(&agentpb.Event{})
	}
	n := 0
	for range l {
		n++
	}
	if n != backlog {
		t.Errorf("%d events, want %d and the end", n, backlog)
	}
	h.leave(l)
}

func TestCodes(t *testing.T) {
	for err, code := range map[error]call.Code{
		fmt.Errorf("x: %w", container.ErrState): call.FailedPrecondition,
		errors.ErrUnsupported:                   call.Unimplemented,
		errors.New("two\nlines"):                call.Internal,
		call.Errorf(call.NotFound, "x"):         call.NotFound,
		context.Canceled:                        call.Canceled,
	} {
		want(t, err.Error(), coded(err), code)
	}
}
