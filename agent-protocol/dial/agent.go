package dial

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// Agent is a client of an agent.
type Agent struct {
	agentpb.AgentClient
	// Addr is where it was found.
	Addr string
	// Release is the agent's ("0.1.0"); the guest says so. Empty if it was not
	// greeted, and then it has no features either.
	Release  string
	features []string
	greeted  bool
	calls    *call.Client
}

// Client makes a client of the agent at addr without a greeting: for what is
// sent to an agent that another has greeted before. The first connection is
// made here, within ctx, so that its error is this call's; calls at the same
// time, and those after it broke, make others.
func Client(ctx context.Context, addr string) (*Agent, error) {
	first, err := Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	calls := call.NewClient(first, func(ctx context.Context) (net.Conn, error) { return Dial(ctx, addr) })
	return &Agent{AgentClient: agentpb.NewAgentClient(calls), Addr: addr, calls: calls}, nil
}

// Connect makes a client and greets the agent. name is the client's name and
// release for the agent's log ("kata-runtime 0.1.0"). An agent of another major
// version is wire.ErrVersion.
func Connect(ctx context.Context, addr, name string) (*Agent, error) {
	a, err := Client(ctx, addr)
	if err != nil {
		return nil, err
	}
	reply, err := a.Hello(ctx, &agentpb.HelloRequest{Version: wire.ProtocolVersion, Client: name})
	if err == nil {
		err = wire.CheckVersion(wire.ProtocolVersion, reply.Version)
	}
	if err != nil {
		a.Close()
		return nil, fmt.Errorf("agent at %s: %w", addr, err)
	}
	a.Release, a.features, a.greeted = reply.Release, reply.Features, true
	return a, nil
}

// Greeted tells whether the agent was greeted, so that its features are known.
func (a *Agent) Greeted() bool { return a.greeted }

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

// EndExec ends a further process of a container for which nobody will stand, and
// returns when the agent has forgotten it. One that is not there is no error.
func (a *Agent) EndExec(ctx context.Context, container, exec string) error {
	_, err := a.SignalProcess(ctx, &agentpb.SignalProcessRequest{ContainerId: container, ExecId: exec, Signal: 9})
	process := &agentpb.ProcessRequest{ContainerId: container, ExecId: exec}
	if err == nil || call.CodeOf(err) == call.NotFound { // it may have ended
		_, err = a.WaitProcess(ctx, process)
	}
	if err == nil {
		_, err = a.RemoveProcess(ctx, process)
	}
	if call.CodeOf(err) == call.NotFound {
		return nil
	}
	return err
}

// Close closes the connections for calls; streams live on.
func (a *Agent) Close() error { return a.calls.Close() }
