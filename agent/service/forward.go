package service

import (
	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/forward"
)

// ForwardPort implements the call.
func (s *Server) ForwardPort(port agentpb.Agent_ForwardPortServer) error {
	first, err := port.Recv()
	if err != nil {
		return err
	}
	conn, err := forward.Dial(port.Context(), first)
	if err != nil {
		return call.Errorf(call.FailedPrecondition, "%s", err.Error())
	}
	defer conn.Close()
	if err := port.Send(&agentpb.PortData{}); err != nil {
		return err
	}
	return forward.Carry(conn, port)
}
