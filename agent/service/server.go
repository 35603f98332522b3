// Package service answers the calls of the agent protocol. It checks what is
// asked, keeps the containers by their ids, and leaves the work to the packages
// beside it.
package service

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/process"
)

// Config is what a server needs to know of the guest.
type Config struct {
	Log *slog.Logger
	// Release is the agent's version.
	Release string
	// IsInit: the guest is the agent's alone.
	IsInit bool
	// Guest is what containers are fitted to.
	Guest container.Guest
	// Ready is closed when the guest is set up; calls that need it wait for it.
	Ready <-chan struct{}
	// PowerOff ends the guest; nil if that is not the agent's to do.
	PowerOff func()
}

// Server implements agentpb.AgentServer.
type Server struct {
	Config
	events hub
	making making
	// create is container.Create.
	create func(log *slog.Logger, id string, spec *specs.Spec, guest container.Guest, ended container.Ended) (member, error)

	mu      sync.Mutex
	sandbox *sandbox
	// containers by id; nil for one that is being created or removed.
	containers map[string]member
}

// member is a container or an infra container.
type member interface {
	Start() error
	Pause() error
	Resume() error
	End() error
	Remove() error
	PID() int
}

// New makes a server.
func New(c Config) *Server {
	return &Server{Config: c, containers: map[string]member{}, create: create}
}

func create(log *slog.Logger, id string, spec *specs.Spec, guest container.Guest, ended container.Ended) (member, error) {
	c, err := container.Create(log, id, spec, guest, ended)
	if err != nil {
		return nil, err // not a member that is a nil container
	}
	return c, nil
}

// Calls makes the server that answers by s. It gives errors their codes, and
// keeps a panic within its call: a fault in one must not end the guest's other
// containers.
func (s *Server) Calls() *call.Server {
	handle := agentpb.AgentHandler(s)
	return call.NewServer(func(c *call.ServerCall) (err error) {
		defer s.caught(c.Method, &err)
		return coded(handle(c))
	})
}

func (s *Server) caught(method string, err *error) {
	if r := recover(); r != nil {
		s.Log.Error("panic in a call", "method", method, "panic", r, "stack", string(debug.Stack()))
		*err = call.Errorf(call.Internal, "%s: the agent failed: %v", method, r)
	}
	if *err != nil {
		s.Log.Debug("call failed", "method", method, "error", *err)
	}
}

// ready waits until the guest is set up.
func (s *Server) ready(ctx context.Context) error {
	select {
	case <-s.Ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the guest's set-up: %w", ctx.Err())
	}
}

// Hello implements the call.
func (s *Server) Hello(_ context.Context, req *agentpb.HelloRequest) (*agentpb.HelloReply, error) {
	s.Log.Debug("hello", "client", req.Client, "version", wire.VersionString(req.Version))
	if err := wire.CheckVersion(req.Version, wire.ProtocolVersion); err != nil {
		return nil, err
	}
	return &agentpb.HelloReply{Version: wire.ProtocolVersion, Release: s.Release, Features: features()}, nil
}

func features() []string {
	return []string{wire.FeatureSharePID, wire.FeatureSeccomp, wire.FeatureGuestHooks, wire.FeatureEvents,
		wire.FeatureHotplug, wire.FeatureVolumes, wire.FeaturePIDOf}
}

// reserve takes a container's id.
func (s *Server) reserve(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.containers[id]; taken {
		return call.Errorf(call.AlreadyExists, "container %s exists", id)
	}
	s.containers[id] = nil
	return nil
}

// put completes reserve; nil frees the id.
func (s *Server) put(id string, m member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m == nil {
		delete(s.containers, id)
	} else {
		s.containers[id] = m
	}
}

// member answers a container by its id.
func (s *Server) member(id string) (member, error) {
	if err := checkID("container_id", id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.containers[id]; m != nil {
		return m, nil
	}
	return nil, call.Errorf(call.NotFound, "no container %s", id)
}

// container answers one that has processes.
func (s *Server) container(id string) (*container.Container, error) {
	return as[*container.Container](s, id)
}

// as answers a container that has processes, as what can be done with it.
func as[T any](s *Server, id string) (can T, err error) {
	m, err := s.member(id)
	if err != nil {
		return can, err
	}
	can, ok := m.(T)
	if !ok {
		return can, call.Errorf(call.FailedPrecondition, "container %s is an infra container without processes", id)
	}
	return can, nil
}

// process answers the process that a request names.
func (s *Server) process(containerID, execID string) (*process.Process, error) {
	c, err := s.container(containerID)
	if err != nil {
		return nil, err
	}
	if execID != "" {
		if err := checkID("exec_id", execID); err != nil {
			return nil, err
		}
	}
	return c.Process(execID)
}
