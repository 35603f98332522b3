package service

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/forward"
)

// ForwardPort implements the call.
func (s *Server) ForwardPort(call agentpb.Agent_ForwardPortServer) error {
	first, err := call.Recv()
	if err != nil {
		return err
	}
	conn, err := forward.Dial(call.Context(), first)
	if err != nil {
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	defer conn.Close()
	if err := call.Send(&agentpb.PortData{}); err != nil {
		return err
	}
	return forward.Carry(conn, call)
}
