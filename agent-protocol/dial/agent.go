package dial

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	"google.golang.org/grpc"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// Client makes a gRPC client of the agent at addr. The first connection is
// made here, within ctx, so that its error is this call's; should it break, a
// later call makes another. Closing the gRPC connection is the caller's.
func Client(ctx context.Context, addr string) (*grpc.ClientConn, agentpb.AgentClient, error) {
	first, err := Dial(ctx, addr)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	dialer := func(ctx context.Context) (net.Conn, error) {
		mu.Lock()
		conn := first
		first = nil
		mu.Unlock()
		if conn != nil {
			return conn, nil
		}
		return Dial(ctx, addr)
	}
	cc, err := grpc.NewClient(wire.Target, wire.DialOptions(dialer)...)
	if err != nil {
		first.Close()
		return nil, nil, fmt.Errorf("agent at %s: %w", addr, err)
	}
	// The dialer owns the connection from here on: let it take it.
	cc.Connect()
	return cc, agentpb.NewAgentClient(cc), nil
}

// Agent is an agent that was greeted: versions match.
type Agent struct {
	agentpb.AgentClient
	// Addr is where it was found.
	Addr string
	// Release is the agent's ("0.1.0"); the guest says so.
	Release  string
	features []string
	conn     *grpc.ClientConn
}

// Connect makes a client and greets the agent. name is the client's name and
// release for the agent's log ("kata-shim 0.1.0"). An agent of another major
// version is wire.ErrVersion.
func Connect(ctx context.Context, addr, name string) (*Agent, error) {
	conn, client, err := Client(ctx, addr)
	if err != nil {
		return nil, err
	}
	reply, err := client.Hello(ctx, &agentpb.HelloRequest{Version: wire.ProtocolVersion, Client: name})
	if err == nil {
		err = wire.CheckVersion(wire.ProtocolVersion, reply.Version)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("agent at %s: %w", addr, err)
	}
	return &Agent{AgentClient: client, Addr: addr, Release: reply.Release, features: reply.Features, conn: conn}, nil
}

// Has tells whether the agent has one of wire's features.
func (a *Agent) Has(feature string) bool { return slices.Contains(a.features, feature) }

// Features answers what the agent said that it has.
func (a *Agent) Features() []string { return slices.Clone(a.features) }

// Attach opens one of a process's standard streams on a connection of its own.
func (a *Agent) Attach(ctx context.Context, hello *agentpb.StreamHello) (*stream.Client, error) {
	return Attach(ctx, a.Addr, hello)
}

// Attach opens one of a process's standard streams of the agent at addr.
func Attach(ctx context.Context, addr string, hello *agentpb.StreamHello) (*stream.Client, error) {
	conn, err := Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return stream.Attach(ctx, conn, hello)
}

// Close closes the connection for calls; streams live on.
func (a *Agent) Close() error { return a.conn.Close() }
