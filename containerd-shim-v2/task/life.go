package task

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

// Start lets a created container run, or starts a further process.
func (s *Service) Start(ctx context.Context, r *taskapi.StartRequest) (*taskapi.StartResponse, error) {
	t, p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if r.ExecID != "" {
		return s.startExec(ctx, t, p)
	}
	if err := t.host.Start(ctx, t.id); err != nil {
		return nil, answer(err)
	}
	pid := uint32(p.getPID())
	s.Events.send(&events.TaskStart{ContainerID: t.id, Pid: pid})
	if p.begun() {
		close(p.told)
	}
	// From now on there is little to do: what the creation has needed goes back
	// to the host, of whose pods each has one of us.
	go debug.FreeOSMemory()
	return &taskapi.StartResponse{Pid: pid}, nil
}

// exited records a process's end and tells containerd, not before it has been
// told of the start. One that was never started has no event.
func (s *Service) exited(t *task, p *process) {
	close(p.done)
	go func() {
		select {
		case <-p.told:
		case <-t.gone:
			if !p.hasBegun() {
				return
			}
			<-p.told
		}
		s.Events.send(&events.TaskExit{
			ContainerID: t.id, ID: eventID(t, p), Pid: uint32(p.getPID()),
			ExitStatus: uint32(p.code), ExitedAt: timestamppb.New(p.at),
		})
	}()
}

// eventID is the name of a process in events: the init's is its container's.
func eventID(t *task, p *process) string {
	if p.id == "" {
		return t.id
	}
	return p.id
}

// Kill sends a signal. That a container has ended is what its signal is for: no
// error. (CRI-O fails to stop a pod in which one ends just before it is
// signalled, whatever the error's code.)
func (s *Service) Kill(ctx context.Context, r *taskapi.KillRequest) (*emptypb.Empty, error) {
	t, p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if p.over() {
		return finished(t, p)
	}
	sig := unix.Signal(r.Signal)
	if r.ExecID == "" {
		err = t.host.Kill(ctx, t.id, sig, r.All)
	} else if err = p.launched(ctx); err != nil {
		return nil, err
	} else {
		err = t.host.SignalExec(ctx, t.id, p.guestID(), sig)
	}
	if sig == unix.SIGKILL && r.ExecID == "" && !errors.Is(err, container.ErrState) {
		s.insist(t)
	}
	if err != nil && (p.over() || errors.Is(err, sandbox.ErrNotRunning)) {
		return finished(t, p)
	}
	return &emptypb.Empty{}, answer(err)
}

// finished answers a signal for a process that has ended.
func finished(t *task, p *process) (*emptypb.Empty, error) {
	if p.id == "" {
		return &emptypb.Empty{}, nil
	}
	return nil, notFound("%s: process already finished", eventID(t, p))
}

// endTimeout bounds the wait for the end of a process whose container is gone:
// what a guest says last may be ten seconds late on each output, and its reader
// takes two more.
const endTimeout = 30 * time.Second

// Delete removes a container that has ended, or was never started, or a
// further process.
func (s *Service) Delete(ctx context.Context, r *taskapi.DeleteRequest) (*taskapi.DeleteResponse, error) {
	if r.ExecID == "" {
		s.cutShort(ctx, r.ID)
	}
	t, p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if r.ExecID != "" {
		return s.deleteExec(t, p)
	}
	// The call goes on if containerd goes away: half a deletion helps nobody.
	if err := t.remove(context.WithoutCancel(ctx)); err != nil {
		return nil, answer(err)
	}
	if err := UnmountRootfs(t.bundle); err != nil {
		return nil, answer(err)
	}
	select {
	case <-p.done: // its VM or its container is gone: the relay sees that
	case <-time.After(endTimeout):
		return nil, status.Errorf(codes.DeadlineExceeded,
			"container %s is removed, but its guest does not tell of its end: if that goes on, remove its pod", t.id)
	}
	p.flush()
	if !s.forget(t) {
		return nil, notFound("container %s is not known", t.id)
	}
	reply := &taskapi.DeleteResponse{
		Pid: uint32(p.getPID()), ExitStatus: uint32(p.code), ExitedAt: timestamppb.New(p.at),
	}
	s.Events.send(&events.TaskDelete{
		ContainerID: t.id, Pid: reply.Pid, ExitStatus: reply.ExitStatus, ExitedAt: reply.ExitedAt,
	})
	return reply, nil
}

// remove deletes a container that has ended, or was not started. One whose pod
// has been deleted meanwhile is gone with it: containerd deletes all that end with
// a VM at the same time.
func (t *task) remove(ctx context.Context) error {
	info, err := t.host.Status(t.id)
	if err == nil && t.init.over() {
		t.init.flush() // what is still in the guest goes with it
		if info.Status != container.Stopped {
			err = t.host.Ended(t.id) // it could not be written down when it came
		}
	}
	if err == nil {
		err = t.host.Delete(ctx, t.id, info.Status == container.Created)
	}
	switch {
	case errors.Is(err, sandbox.ErrNotExist):
		return nil
	case err != nil && info != nil && info.Status != container.Stopped && !t.init.over():
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	return err
}

// Wait answers when a process has ended.
func (s *Service) Wait(ctx context.Context, r *taskapi.WaitRequest) (*taskapi.WaitResponse, error) {
	_, p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return &taskapi.WaitResponse{ExitStatus: uint32(p.code), ExitedAt: timestamppb.New(p.at)}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Pause freezes a container.
func (s *Service) Pause(ctx context.Context, r *taskapi.PauseRequest) (*emptypb.Empty, error) {
	t, err := s.find(r.ID)
	if err == nil {
		err = t.host.Pause(ctx, t.id)
	}
	if err != nil {
		return nil, answer(err)
	}
	s.Events.send(&events.TaskPaused{ContainerID: t.id})
	return &emptypb.Empty{}, nil
}

// Resume lets a frozen container go on.
func (s *Service) Resume(ctx context.Context, r *taskapi.ResumeRequest) (*emptypb.Empty, error) {
	t, err := s.find(r.ID)
	if err == nil {
		err = t.host.Resume(ctx, t.id)
	}
	if err != nil {
		return nil, answer(err)
	}
	s.Events.send(&events.TaskResumed{ContainerID: t.id})
	return &emptypb.Empty{}, nil
}

// ResizePty gives a process's terminal another size. One without a terminal is no
// error, as with runc's shim.
func (s *Service) ResizePty(ctx context.Context, r *taskapi.ResizePtyRequest) (*emptypb.Empty, error) {
	t, p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if !p.terminal || r.Width == 0 || r.Height == 0 {
		return &emptypb.Empty{}, nil // a client without a terminal has no size
	}
	if r.ExecID == "" {
		return &emptypb.Empty{}, answer(t.host.Resize(ctx, t.id, r.Height, r.Width))
	}
	if err := p.launched(ctx); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, answer(t.host.ResizeExec(ctx, t.id, p.guestID(), r.Height, r.Width))
}

// CloseIO lets a process's standard input end.
func (s *Service) CloseIO(_ context.Context, r *taskapi.CloseIORequest) (*emptypb.Empty, error) {
	_, p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	if r.Stdin {
		p.closeInput()
	}
	return &emptypb.Empty{}, nil
}
