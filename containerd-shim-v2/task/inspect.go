package task

import (
	"context"
	"encoding/json"

	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// State tells about a process.
func (s *Service) State(_ context.Context, r *taskapi.StateRequest) (*taskapi.StateResponse, error) {
	t, p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	reply := &taskapi.StateResponse{
		ID: t.id, ExecID: p.id, Bundle: t.bundle, Pid: uint32(p.getPID()),
		Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr, Terminal: p.terminal,
	}
	reply.Status = tasktypes.Status_CREATED
	if p.hasBegun() {
		reply.Status = tasktypes.Status_RUNNING
	}
	if r.ExecID == "" && !p.over() {
		info, err := t.host.Status(t.id)
		if err != nil && !p.over() {
			return nil, answer(err)
		}
		// An end is written down a moment before its code is told, and containerd
		// keeps the code that it sees first.
		if err == nil && info.Status != container.Stopped {
			reply.Status = statusOf(info.Status)
		}
	}
	if p.over() {
		reply.Status = tasktypes.Status_STOPPED
		reply.ExitStatus, reply.ExitedAt = uint32(p.code), timestamppb.New(p.at)
	}
	return reply, nil
}

func statusOf(s container.Status) tasktypes.Status {
	switch s {
	case container.Creating, container.Created:
		return tasktypes.Status_CREATED
	case container.Running:
		return tasktypes.Status_RUNNING
	case container.Paused:
		return tasktypes.Status_PAUSED
	case container.Stopped:
		return tasktypes.Status_STOPPED
	}
	return tasktypes.Status_UNKNOWN
}

// Pids lists processes of the host: one stands for all of a pod.
func (s *Service) Pids(_ context.Context, r *taskapi.PidsRequest) (*taskapi.PidsResponse, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	reply := &taskapi.PidsResponse{}
	if !t.init.over() {
		reply.Processes = append(reply.Processes, &tasktypes.ProcessInfo{Pid: uint32(t.init.getPID())})
	}
	return reply, nil
}

// Update changes a container's limits.
func (s *Service) Update(ctx context.Context, r *taskapi.UpdateTaskRequest) (*emptypb.Empty, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	resources := new(specs.LinuxResources)
	if err := json.Unmarshal(r.Resources.GetValue(), resources); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "container %s: resources: %v", t.id, err)
	}
	if t.infra {
		return &emptypb.Empty{}, nil // its limits are nobody's: it has no process
	}
	return &emptypb.Empty{}, answer(t.host.Update(ctx, t.id, resources))
}

// Stats answers what a container uses, in the form of the host's cgroups.
func (s *Service) Stats(ctx context.Context, r *taskapi.StatsRequest) (*taskapi.StatsResponse, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	stats := &agentpb.StatsReply{}
	if !t.infra {
		if stats, err = t.host.Stats(ctx, t.id); err != nil {
			return nil, answer(err)
		}
	}
	packed, err := toAny(metrics(stats, unified()))
	if err != nil {
		return nil, answer(err)
	}
	return &taskapi.StatsResponse{Stats: packed}, nil
}
