package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/network"
	"github.com/kata-go/kata-runtime/agent/process"
	"github.com/kata-go/kata-runtime/internal/undo"
)

// CreateContainer implements the call.
func (s *Server) CreateContainer(ctx context.Context, req *agentpb.CreateContainerRequest) (*agentpb.CreateContainerReply, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	return s.createContainer(ctx, box, req, true)
}

// createContainer makes the sandbox's first container, or one that joins it.
func (s *Server) createContainer(ctx context.Context, box *sandbox, req *agentpb.CreateContainerRequest, joins bool) (_ *agentpb.CreateContainerReply, err error) {
	id := req.ContainerId
	if err := checkID("container_id", id); err != nil {
		return nil, err
	}
	spec, err := container.ParseSpec(req.OciSpec)
	if err != nil {
		return nil, err
	}
	defer s.making.begin(key(id, ""))()
	if err := s.reserve(id); err != nil {
		return nil, err
	}
	var back undo.List
	back.Add("free id", func() error { s.put(id, nil); return nil })
	defer func() {
		if err == nil {
			return
		}
		if uerr := back.Run(); uerr != nil {
			s.Log.Error("container not undone", "container", id, "error", uerr)
		}
	}()
	if err := box.hugePages.Reserve(id, req.HugePages); err != nil {
		return nil, err
	}
	back.Add("give back huge pages", func() error { return box.hugePages.Release(id) })
	if err := box.storages.AddFor(ctx, id, req.Storages); err != nil {
		return nil, err
	}
	back.Add("unmount storages", func() error { return box.storages.Release(id) })
	if err := box.storages.ResolveDevices(ctx, req.Devices, spec); err != nil {
		return nil, err
	}
	guest, pause, err := box.guestFor(s.Guest, req)
	if err != nil {
		return nil, err
	}
	guest.Joins = joins
	if req.PidOf != "" {
		if guest.SharedPID, err = s.pidsOf(req.PidOf); err != nil {
			return nil, err
		}
	}
	var m member
	if req.Infra {
		m = newInfra(id, pause, func(exit process.Exit) { s.ended(id, "", exit) })
	} else if m, err = s.create(s.Log, id, spec, guest, func(execID string, exit process.Exit) {
		s.ended(id, execID, exit)
	}); err != nil {
		return nil, err
	}
	s.put(id, m)
	if c, ok := m.(*container.Container); ok {
		s.watchOOM(c)
	}
	if ctx.Err() != nil {
		// Nobody knows of it: its id would be taken for good.
		back.Forget()
		return nil, errors.Join(ctx.Err(), s.remove(id))
	}
	return &agentpb.CreateContainerReply{Pid: int32(m.PID())}, nil
}

// pidsOf answers a container's pid namespace, a path in /proc.
func (s *Server) pidsOf(id string) (string, error) {
	c, err := s.container(id)
	if err != nil {
		return "", fmt.Errorf("pid_of: %w", err)
	}
	if c.State() == container.Stopped {
		return "", fmt.Errorf("pid_of: %w: container %s has ended", container.ErrState, id)
	}
	return fmt.Sprintf("/proc/%d/ns/pid", c.PID()), nil
}

// StartContainer implements the call.
func (s *Server) StartContainer(_ context.Context, req *agentpb.ContainerRequest) (*agentpb.Empty, error) {
	m, err := s.member(req.ContainerId)
	if err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, m.Start()
}

// PauseContainer implements the call.
func (s *Server) PauseContainer(_ context.Context, req *agentpb.ContainerRequest) (*agentpb.Empty, error) {
	m, err := s.member(req.ContainerId)
	if err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, m.Pause()
}

// ResumeContainer implements the call.
func (s *Server) ResumeContainer(_ context.Context, req *agentpb.ContainerRequest) (*agentpb.Empty, error) {
	m, err := s.member(req.ContainerId)
	if err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, m.Resume()
}

// RemoveContainer implements the call.
func (s *Server) RemoveContainer(ctx context.Context, req *agentpb.ContainerRequest) (*agentpb.Empty, error) {
	s.making.wait(ctx, key(req.ContainerId, ""))
	if _, err := s.member(req.ContainerId); err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, s.remove(req.ContainerId)
}

// remove removes a container; nil if it is gone already.
func (s *Server) remove(id string) error {
	s.mu.Lock()
	m, box := s.containers[id], s.sandbox
	s.mu.Unlock()
	if m == nil {
		return nil
	}
	if c, ok := m.(*container.Container); ok {
		s.events.forget(c)
	}
	if err := m.Remove(); err != nil {
		return err
	}
	s.put(id, nil)
	if box == nil {
		return nil
	}
	return errors.Join(box.storages.Release(id), box.hugePages.Release(id))
}

// endContainer ends a container's processes; nil if it is gone already.
func (s *Server) endContainer(id string) error {
	s.mu.Lock()
	m := s.containers[id]
	s.mu.Unlock()
	if m == nil {
		return nil
	}
	return m.End()
}

// UpdateContainer implements the call.
func (s *Server) UpdateContainer(_ context.Context, req *agentpb.UpdateContainerRequest) (*agentpb.Empty, error) {
	c, err := s.container(req.ContainerId)
	if err != nil {
		return nil, err
	}
	r := &specs.LinuxResources{}
	if err := json.Unmarshal(req.Resources, r); err != nil {
		return nil, call.Errorf(call.InvalidArgument, "resources: %v", err)
	}
	return &agentpb.Empty{}, c.Update(r)
}

// StatsContainer implements the call.
func (s *Server) StatsContainer(_ context.Context, req *agentpb.ContainerRequest) (*agentpb.StatsReply, error) {
	c, err := s.container(req.ContainerId)
	if err != nil {
		return nil, err
	}
	reply, err := c.Stats()
	if err != nil {
		return nil, err
	}
	// All containers of the guest use its interfaces.
	reply.Network, err = network.Stats()
	return reply, err
}

// ended is told of each process's end.
func (s *Server) ended(containerID, execID string, exit process.Exit) {
	s.Log.Debug("process ended", "container", containerID, "exec", execID, "code", exit.Code)
	s.events.send(&agentpb.Event{Kind: agentpb.Event_EXIT, ContainerId: containerID, ExecId: execID,
		ExitCode: exit.Code, TimeNs: exit.At.UnixNano()})
}
