package task

import (
	"context"

	"github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/shim/relay"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

// neverRan is the exit code of a process that could not be started.
const neverRan = 255

// Exec announces a further process; Start starts it.
func (s *Service) Exec(_ context.Context, r *taskapi.ExecProcessRequest) (*emptypb.Empty, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	p := newProcess(r.ExecID, streams{r.Terminal, r.Stdin, r.Stdout, r.Stderr})
	if p.spec, err = oci.ParseProcess(r.Spec.GetValue()); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "process %s: %v", r.ExecID, err)
	}
	p.spec.Terminal = r.Terminal
	if err := t.add(p); err != nil {
		return nil, err
	}
	s.Events.send(&events.TaskExecAdded{ContainerID: t.id, ExecID: p.id})
	return &emptypb.Empty{}, nil
}

func (t *task) add(p *process) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.id == "" || t.execs[p.id] != nil {
		return status.Errorf(codes.AlreadyExists, "process %q of container %s", p.id, t.id)
	}
	select {
	case <-t.gone:
		return notFound("container %s is not known", t.id)
	default:
	}
	t.execs[p.id] = p
	return nil
}

// abandon ends the further processes that nobody can start any more.
func (t *task) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.execs {
		p.abandon()
	}
}

func (s *Service) startExec(ctx context.Context, t *task, p *process) (*taskapi.StartResponse, error) {
	if !p.begun() {
		return nil, status.Errorf(codes.FailedPrecondition, "process %s was started before", p.id)
	}
	err := s.runExec(ctx, t, p)
	if err != nil {
		p.never(neverRan)
		return nil, answer(err)
	}
	pid := uint32(p.getPID())
	s.Events.send(&events.TaskExecStarted{ContainerID: t.id, ExecID: p.id, Pid: pid})
	close(p.told)
	return &taskapi.StartResponse{Pid: pid}, nil
}

func (s *Service) runExec(ctx context.Context, t *task, p *process) error {
	io, err := openStdio(p.streams, p.id, s.Events.namespace)
	if err != nil {
		return err
	}
	p.setIO(io)
	_, err = t.host.Exec(ctx, &sandbox.ExecRequest{
		ID: t.id, Process: p.spec, Publish: p.setPID,
		Attach: func(agent, guestID string) error {
			p.attach(&relay.Relay{Agent: agent, Container: t.id, Exec: guestID, Log: s.Log}, func() { s.exited(t, p) })
			return nil
		},
	})
	if err != nil {
		io.close()
	}
	return err
}

func (s *Service) deleteExec(t *task, p *process) (*taskapi.DeleteResponse, error) {
	p.abandon()
	if !p.over() {
		return nil, status.Errorf(codes.FailedPrecondition, "process %s of container %s runs", p.id, t.id)
	}
	p.flush()
	t.mu.Lock()
	delete(t.execs, p.id)
	t.mu.Unlock()
	return &taskapi.DeleteResponse{
		Pid: uint32(p.getPID()), ExitStatus: uint32(p.code), ExitedAt: timestamppb.New(p.at),
	}, nil
}
