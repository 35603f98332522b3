// Package task is containerd's task service, version 2, over virtcontainers:
// it translates, and keeps what containerd asks for and no sandbox knows (exec
// ids, names of pipes, exit codes).
package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// Config is what a service is made of.
type Config struct {
	// Root is the folder of the sandboxes' state.
	Root string
	// ConfigFile is the configuration where the runtime's options name none;
	// empty for the usual files.
	ConfigFile string
	Events     *Events
	Log        *slog.Logger
	Version    string
	// Shutdown ends the program, after the current answer.
	Shutdown func()
}

// Service serves the containers of one pod.
type Service struct {
	Config
	mu    sync.Mutex
	tasks map[string]*task
	// leaving: Shutdown was called while there was a creation; the service ends
	// when that has been taken back.
	leaving bool
	// after is time.After; tests have another.
	after func(time.Duration) <-chan time.Time
}

// New answers a service without containers.
func New(c Config) *Service { return &Service{Config: c, tasks: map[string]*task{}, after: time.After} }

// task is a container.
type task struct {
	id, bundle string
	host       *sandbox.Host
	init       *process
	// infra is a pod's first container: it has no process in the guest.
	infra bool
	// ready: its creation is through; aborted: it will not be. Under the
	// service's lock.
	ready, aborted bool
	// killed: it was sent SIGKILL; late: and has not ended in time. Under the
	// service's lock.
	killed, late bool
	// abort cancels the creation.
	abort context.CancelFunc
	// gone is closed when the service has forgotten the container.
	gone chan struct{}

	mu    sync.Mutex
	execs map[string]*process
	oom   oomNews
}

// find answers a container that was created.
func (s *Service) find(id string) (*task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[id]; t != nil && t.ready {
		return t, nil
	}
	return nil, notFound("container %s is not known", id)
}

// has tells whether a container of the pod was created and not deleted.
func (s *Service) has(id string) bool {
	_, err := s.find(id)
	return err == nil
}

// process answers a process of a container; its init for an empty id.
func (s *Service) process(id, execID string) (*task, *process, error) {
	t, err := s.find(id)
	if err != nil {
		return nil, nil, err
	}
	if execID == "" {
		return t, t.init, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.execs[execID]; p != nil {
		return t, p, nil
	}
	return nil, nil, notFound("container %s has no process %s", id, execID)
}

// Connect tells who serves.
func (s *Service) Connect(_ context.Context, r *taskapi.ConnectRequest) (*taskapi.ConnectResponse, error) {
	reply := &taskapi.ConnectResponse{ShimPid: uint32(os.Getpid()), Version: s.Version}
	if t, err := s.find(r.ID); err == nil {
		reply.TaskPid = uint32(t.init.getPID())
	}
	return reply, nil
}

// Shutdown ends the service, unless the pod still has containers. One that is
// only being made is containerd's no more: it has given up waiting.
func (s *Service) Shutdown(_ context.Context, r *taskapi.ShutdownRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if t.ready && !r.Now {
			return &emptypb.Empty{}, nil
		}
	}
	if len(s.tasks) == 0 || r.Now {
		s.Config.Shutdown()
		return &emptypb.Empty{}, nil
	}
	s.leaving = true
	for _, t := range s.tasks {
		t.cut()
	}
	return &emptypb.Empty{}, nil
}

// cut has a creation fail. The service's lock is held.
func (t *task) cut() {
	t.aborted = true
	t.abort()
}

// cutShort has a container's creation fail, if it is being made, and returns
// when nothing of it is left.
func (s *Service) cutShort(ctx context.Context, id string) {
	s.mu.Lock()
	t := s.tasks[id]
	making := t != nil && !t.ready
	if making {
		t.cut()
	}
	s.mu.Unlock()
	if making {
		select {
		case <-t.gone:
		case <-ctx.Done():
		}
	}
}

// reserve claims a container's id for a creation; it cannot be found yet.
func (s *Service) reserve(t *task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return fmt.Errorf("%s: the shim is being shut down", t.id)
	}
	if s.tasks[t.id] != nil {
		return fmt.Errorf("%s: %w", t.id, state.ErrExist)
	}
	s.tasks[t.id] = t
	return nil
}

var errAborted = errors.New("the creation was called off")

// made lets a container be found whose creation is through.
func (s *Service) made(t *task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.aborted {
		return errAborted
	}
	t.ready = true
	return nil
}

// forget takes a task off the list, once: it answers whether it was there.
func (s *Service) forget(t *task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tasks[t.id] != t {
		return false
	}
	delete(s.tasks, t.id)
	close(t.gone)
	t.abandon()
	if s.leaving && len(s.tasks) == 0 {
		s.Config.Shutdown()
	}
	return true
}

// Checkpoint is not to be had of a VM's container.
func (s *Service) Checkpoint(context.Context, *taskapi.CheckpointTaskRequest) (*emptypb.Empty, error) {
	return nil, status.Error(codes.Unimplemented, "checkpoints of containers in a VM are not supported")
}
