// Package task is containerd's task service, version 2, over virtcontainers:
// it translates, and keeps what containerd asks for and no sandbox knows (exec
// ids, names of pipes, exit codes).
package task

import (
	"context"
	"log/slog"
	"os"
	"sync"

	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
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
}

// New answers a service without containers.
func New(c Config) *Service { return &Service{Config: c, tasks: map[string]*task{}} }

// task is a container.
type task struct {
	id, bundle string
	host       *sandbox.Host
	init       *process
	// infra is a pod's first container: it has no process in the guest.
	infra bool
	// ready: its creation is through. Under the service's lock.
	ready bool

	mu    sync.Mutex
	execs map[string]*process
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

// Shutdown ends the service, unless the pod still has containers.
func (s *Service) Shutdown(_ context.Context, r *taskapi.ShutdownRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tasks) == 0 || r.Now {
		s.Config.Shutdown()
	}
	return &emptypb.Empty{}, nil
}

// Checkpoint is not to be had of a VM's container.
func (s *Service) Checkpoint(context.Context, *taskapi.CheckpointTaskRequest) (*emptypb.Empty, error) {
	return nil, status.Error(codes.Unimplemented, "checkpoints of containers in a VM are not supported")
}
