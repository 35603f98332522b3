package call_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
)

// agent answers some calls in ways that the tests can steer.
type agent struct {
	agentpb.UnimplementedAgentServer
	// begun gets the name of each call that waits for its caller's end.
	begun chan string
	ended chan error
}

func (a *agent) Hello(_ context.Context, in *agentpb.HelloRequest) (*agentpb.HelloReply, error) {
	switch in.Client {
	case "fail":
		return nil, call.Errorf(call.NotFound, "no %s\nhere", in.Client)
	case "plain":
		return nil, errors.New("plain")
	}
	return &agentpb.HelloReply{Release: in.Client}, nil
}

func (a *agent) WaitProcess(ctx context.Context, in *agentpb.ProcessRequest) (*agentpb.WaitProcessReply, error) {
	select {
	case a.begun <- in.ContainerId:
	case <-ctx.Done():
	}
	<-ctx.Done()
	select {
	case a.ended <- ctx.Err():
	default:
	}
	return nil, ctx.Err()
}

func (a *agent) Events(_ *agentpb.EventsRequest, out agentpb.Agent_EventsServer) error {
	for i := range 3 {
		if err := out.Send(&agentpb.Event{ContainerId: fmt.Sprint(i)}); err != nil {
			return err
		}
	}
	return nil
}

func (a *agent) ForwardPort(s agentpb.Agent_ForwardPortServer) error {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.Send(&agentpb.PortData{Data: []byte("that was all")})
		}
		if err != nil {
			return err
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}

// serve answers a client of a; connections counts those that it made.
func serve(t *testing.T, a *agent) (client agentpb.AgentClient, calls *call.Client, server *call.Server, connections func() int) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	server = call.NewServer(agentpb.AgentHandler(a))
	go server.Serve(l)
	var mu sync.Mutex
	n := 0
	calls = call.NewClient(nil, func(ctx context.Context) (net.Conn, error) {
		mu.Lock()
		n++
		mu.Unlock()
		return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
	})
	t.Cleanup(func() { calls.Close() })
	return agentpb.NewAgentClient(calls), calls, server, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func TestCallsFollowEachOtherOnOneConnection(t *testing.T) {
	client, _, _, connections := serve(t, &agent{})
	for i := range 3 {
		name := strings.Repeat("x", i*100000)
		reply, err := client.Hello(t.Context(), &agentpb.HelloRequest{Client: name})
		if err != nil || reply.Release != name {
			t.Fatal(err)
		}
		_, err = client.Hello(t.Context(), &agentpb.HelloRequest{Client: "fail"})
		if call.CodeOf(err) != call.NotFound || err.Error() != "no fail here" {
			t.Errorf("%v", err)
		}
		if _, err = client.Hello(t.Context(), &agentpb.HelloRequest{Client: "plain"}); call.CodeOf(err) != call.Unknown {
			t.Errorf("%v", err)
		}
		if _, err = client.Metrics(t.Context(), &agentpb.Empty{}); call.CodeOf(err) != call.Unimplemented {
			t.Errorf("%v", err)
		}
	}
	if n := connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestACallerThatGoesEndsItsCall(t *testing.T) {
	a := &agent{begun: make(chan string), ended: make(chan error, 1)}
	client, _, _, connections := serve(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := client.WaitProcess(ctx, &agentpb.ProcessRequest{ContainerId: "c"})
		failed <- err
	}()
	<-a.begun
	// Another call meanwhile has a connection of its own.
	if _, err := client.Hello(t.Context(), &agentpb.HelloRequest{}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-failed; call.CodeOf(err) != call.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := <-a.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the agent's call: %v", err)
	}
	if _, err := client.Hello(t.Context(), &agentpb.HelloRequest{}); err != nil || connections() != 2 {
		t.Errorf("%v, %d connections", err, connections())
	}
}

func TestDeadline(t *testing.T) {
	a := &agent{begun: make(chan string, 1), ended: make(chan error, 1)}
	client, _, _, _ := serve(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := client.WaitProcess(ctx, &agentpb.ProcessRequest{})
	if call.CodeOf(err) != call.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	<-a.ended
}

func TestCloseEndsCalls(t *testing.T) {
	a := &agent{begun: make(chan string), ended: make(chan error, 1)}
	client, calls, _, _ := serve(t, a)
	failed := make(chan error)
	go func() {
		_, err := client.WaitProcess(context.Background(), &agentpb.ProcessRequest{})
		failed <- err
	}()
	<-a.begun
	calls.Close()
	if err := <-failed; call.CodeOf(err) != call.Unavailable {
		t.Errorf("%v", err)
	}
	<-a.ended
	if _, err := client.Hello(t.Context(), &agentpb.HelloRequest{}); call.CodeOf(err) != call.Canceled {
		t.Errorf("after Close: %v", err)
	}
}

func TestDrain(t *testing.T) {
	a := &agent{begun: make(chan string), ended: make(chan error, 1)}
	client, _, server, _ := serve(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go client.WaitProcess(ctx, &agentpb.ProcessRequest{})
	<-a.begun
	soon, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if err := server.Drain(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drained with a call under way: %v", err)
	}
	if _, err := client.Hello(t.Context(), &agentpb.HelloRequest{}); call.CodeOf(err) != call.Unavailable {
		t.Errorf("a call while draining: %v", err)
	}
	cancel()
	<-a.ended
	if err := server.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStreams(t *testing.T) {
	client, _, _, _ := serve(t, &agent{})
	events, err := client.Events(t.Context(), &agentpb.EventsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if e, err := events.Recv(); err != nil || e.ContainerId != fmt.Sprint(i) {
			t.Errorf("%v, %v", e, err)
		}
	}
	if _, err := events.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}

	both, err := client.ForwardPort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a", strings.Repeat("b", 1<<20), ""} {
		if err := both.Send(&agentpb.PortData{Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		if m, err := both.Recv(); err != nil || string(m.Data) != text {
			t.Errorf("%d bytes, %v", len(m.Data), err)
		}
	}
	if err := both.CloseSend(); err != nil {
		t.Error(err)
	}
	if m, err := both.Recv(); err != nil || string(m.Data) != "that was all" {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := both.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	client, _, _, _ := serve(t, &agent{})
	// The agent's answer has the same text.
	_, err := client.Hello(t.Context(), &agentpb.HelloRequest{Client: strings.Repeat("x", call.MaxReply)})
	if call.CodeOf(err) != call.ResourceExhausted {
		t.Errorf("a large answer: %v", err)
	}
	_, err = client.Hello(t.Context(), &agentpb.HelloRequest{Client: strings.Repeat("x", call.MaxMessage)})
	if call.CodeOf(err) != call.ResourceExhausted {
		t.Errorf("%v", err)
	}
	if _, err := client.Hello(t.Context(), &agentpb.HelloRequest{}); err != nil {
		t.Errorf("the next: %v", err)
	}
}

// answers is an agent that says what it is told to.
func answers(t *testing.T, data []byte) agentpb.AgentClient {
	client := call.NewClient(nil, func(context.Context) (net.Conn, error) {
		host, guest := net.Pipe()
		go func() {
			defer guest.Close()
			header := make([]byte, len(call.Magic)+5)
			if _, err := io.ReadFull(guest, header); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, guest, int64(binary.BigEndian.Uint32(header[len(header)-4:]))); err != nil {
				return
			}
			_, _ = guest.Write(data) // the client may have had enough
		}()
		return host, nil
	})
	t.Cleanup(func() { client.Close() })
	return agentpb.NewAgentClient(client)
}

func TestAnAgentThatAnswersNonsense(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing":      nil,
		"HTTP/2":       []byte("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00"),
		"half a frame": {4, 0, 0, 0, 9, 1, 2},
		"too long":     {4, 0xff, 0xff, 0xff, 0xff},
		"no message":   {4, 0, 0, 0, 1, 0xff},
		"a stream":     {2, 0, 0, 0, 0},
		"no code":      {5, 0, 0, 0, 1, 1},
	} {
		if _, err := answers(t, data).Hello(t.Context(), &agentpb.HelloRequest{}); call.CodeOf(err) != call.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := answers(t, []byte{5, 0, 0, 0, 4, 0, 0, 0, 0}).Hello(t.Context(), &agentpb.HelloRequest{})
	if call.CodeOf(err) != call.Unknown {
		t.Errorf("a failure with the code OK: %v", err)
	}
}

// TestALargeAnswer: what a guest answers becomes memory of a process of the host.
func TestALargeAnswer(t *testing.T) {
	frame := func(n int, data []byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{4}, uint32(n)), data...)
	}
	entries := func(n int) []byte { return frame(2*n, bytes.Repeat([]byte{0x0a, 0}, n)) }
	_, err := answers(t, frame(call.MaxReply+1, make([]byte, call.MaxReply+1))).ListProcesses(t.Context(), &agentpb.ContainerRequest{})
	if call.CodeOf(err) != call.Unavailable || !strings.Contains(err.Error(), "at most") {
		t.Errorf("more than is allowed: %v", err)
	}
	_, err = answers(t, entries(call.MaxFields+1)).ListProcesses(t.Context(), &agentpb.ContainerRequest{})
	if call.CodeOf(err) != call.Unavailable || !strings.Contains(err.Error(), "more than 65536 fields") {
		t.Errorf("more entries than are allowed: %v", err)
	}
	reply, err := answers(t, entries(call.MaxFields)).ListProcesses(t.Context(), &agentpb.ContainerRequest{})
	if err != nil || len(reply.Processes) != call.MaxFields {
		t.Errorf("as many entries as are allowed: %v", err)
	}
}

// TestTheLargestRealAnswer: 30,000 processes, as much as a guest's default
// limit of ids lets there be.
func TestTheLargestRealAnswer(t *testing.T) {
	list := &agentpb.ListProcessesReply{}
	for i := range 30000 {
		list.Processes = append(list.Processes, &agentpb.ProcessInfo{
			Pid: int32(i) + 1<<14, Ppid: int32(i) + 1<<14, Uid: 1 << 20, StartNs: 1 << 54, CpuNs: 1 << 48, Tty: "pts/12",
			Command: strings.Repeat("x", 70),
		})
	}
	data := make([]byte, list.Size())
	if _, err := list.MarshalToSizedBuffer(data); err != nil {
		t.Fatal(err)
	}
	if len(data) > call.MaxReply {
		t.Errorf("%d bytes", len(data))
	}
	whole := append(binary.BigEndian.AppendUint32([]byte{4}, uint32(len(data))), data...)
	reply, err := answers(t, whole).ListProcesses(t.Context(), &agentpb.ContainerRequest{})
	if err != nil || len(reply.Processes) != len(list.Processes) {
		t.Errorf("%v", err)
	}
}

// FuzzClient gives a client whatever an agent may answer.
func FuzzClient(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{5, 0, 0, 0, 5, 0, 0, 0, 5, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		reply, err := answers(t, data).Hello(t.Context(), &agentpb.HelloRequest{})
		if (reply == nil) == (err == nil) {
			t.Errorf("%v, %v", reply, err)
		}
	})
}

// FuzzServer gives the agent whatever a host may say.
func FuzzServer(f *testing.F) {
	var whole bytes.Buffer
	whole.WriteString(call.Magic + "\x01\x00\x00\x00\x06\x05Hello")
	f.Add(whole.Bytes())
	f.Add([]byte(call.Magic + "\x01\x00\x00\x00\x0c\x0bForwardPort\x02\x00\x00\x00\x00\x03\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		host, guest := net.Pipe()
		done := make(chan struct{})
		a := &agent{}
		go func() { call.NewServer(agentpb.AgentHandler(a)).ServeConn(guest); close(done) }()
		go io.Copy(io.Discard, host)
		_, _ = host.Write(data) // it may hang up before
		host.Close()
		<-done
	})
}
