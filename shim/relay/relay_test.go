package relay

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/internal/sock"
)

// When one of a process's streams cannot be had, the connections of the others do
// not stay open: nobody reads them.
func TestStreamsAreGivenBackWhenOneIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	stdin, stdout := stream.NewInput(out), stream.NewOutput(stream.DefaultWindow)
	ended := make(chan struct{}, 2)
	serve := func(conn net.Conn) {
		defer conn.Close()
		hello, err := stream.ReadHello(conn)
		if err != nil {
			t.Error(err)
			return
		}
		switch hello.Stream {
		case agentpb.Stream_STDIN:
			stdin.Serve(t.Context(), conn)
			ended <- struct{}{}
		case agentpb.Stream_STDOUT:
			stdout.Serve(t.Context(), conn, 0)
			ended <- struct{}{}
		default:
			stream.Refuse(conn, call.Errorf(call.NotFound, "no such process"))
		}
	}
	go call.NewServer(agentpb.AgentHandler(agentpb.UnimplementedAgentServer{})).Serve(stream.Split(l, serve))
	r := &Relay{Agent: "unix://" + path, Container: "a", Log: slog.New(slog.DiscardHandler)}
	if code, err := r.Run(t.Context()); code != Lost || err == nil {
		t.Errorf("Run = %d, %v", code, err)
	}
	for range 2 {
		<-ended
	}
}
