package stream

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
)

type agent struct {
	agentpb.UnimplementedAgentServer
}

func (*agent) Hello(context.Context, *agentpb.HelloRequest) (*agentpb.HelloReply, error) {
	return &agentpb.HelloReply{Release: "test"}, nil
}

func TestSplit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	o := NewOutput(DefaultWindow)
	o.Write([]byte("text"))
	o.Close()
	split := Split(l, func(conn net.Conn) {
		hello, err := ReadHello(conn)
		if err != nil {
			t.Error(err)
			conn.Close()
			return
		}
		if err := o.Serve(context.Background(), conn, hello.Offset); err != nil {
			t.Error(err)
		}
	})
	server := call.NewServer(agentpb.AgentHandler(&agent{}))
	served := make(chan error, 1)
	go func() { served <- server.Serve(split) }()

	dial := func(context.Context) (net.Conn, error) { return net.Dial("unix", path) }
	silent, err := dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	conn, err := dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	client, err := Attach(deadline(t), conn, hello(agentpb.Stream_STDOUT, 0))
	if err != nil {
		t.Fatal(err)
	}
	got := newSink()
	if err := client.CopyTo(got); err != nil {
		t.Fatal(err)
	}
	got.same(t, []byte("text"))

	calls := call.NewClient(nil, dial)
	defer calls.Close()
	reply, err := agentpb.NewAgentClient(calls).Hello(deadline(t), &agentpb.HelloRequest{})
	if err != nil || reply.Release != "test" {
		t.Errorf("Hello = %v, %v", reply, err)
	}
	split.Close()
	if err := wait(t, served); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve = %v", err)
	}
	if _, err := split.Accept(); err == nil {
		t.Error("Accept after Close")
	}
}
