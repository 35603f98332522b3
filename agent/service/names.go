package service

import (
	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/names"
)

// maxServers is more than a resolv.conf may have (resolv.conf(5): 3).
const maxServers = 8

// ResolveNames implements the call.
func (s *Server) ResolveNames(calls agentpb.Agent_ResolveNamesServer) error {
	first, err := calls.Recv()
	if err != nil {
		return err
	}
	if len(first.Servers) == 0 || len(first.Servers) > maxServers {
		return call.Errorf(call.InvalidArgument, "%d name servers: 1 to %d are possible", len(first.Servers), maxServers)
	}
	server, err := names.Listen(first.Servers)
	if err != nil {
		return call.Errorf(call.FailedPrecondition, "%s", err.Error())
	}
	defer server.Close()
	if err := calls.Send(&agentpb.NameQuery{}); err != nil {
		return err
	}
	// Recv ends with the call, which ends with this function.
	go func() {
		for {
			answer, err := calls.Recv()
			if err != nil {
				return
			}
			server.Answer(answer.Id, answer.Message)
		}
	}()
	for {
		query, err := server.Query(calls.Context())
		if err != nil {
			return err
		}
		if err := calls.Send(query); err != nil {
			return err
		}
	}
}
