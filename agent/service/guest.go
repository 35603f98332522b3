package service

import (
	"context"
	"fmt"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/copyfile"
	"github.com/kata-go/kata-runtime/agent/machine"
	"github.com/kata-go/kata-runtime/agent/network"
	"github.com/kata-go/kata-runtime/agent/storage"
)

// AddStorages implements the call.
func (s *Server) AddStorages(ctx context.Context, req *agentpb.AddStoragesRequest) (*agentpb.Empty, error) {
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, box.storages.Add(ctx, req.Storages)
}

// RemoveStorage implements the call.
func (s *Server) RemoveStorage(_ context.Context, req *agentpb.RemoveStorageRequest) (*agentpb.Empty, error) {
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, box.storages.Remove(req.MountPoint)
}

// StatVolume implements the call.
func (s *Server) StatVolume(_ context.Context, req *agentpb.VolumeRequest) (*agentpb.StatVolumeReply, error) {
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	return box.storages.Stat(req.MountPoint)
}

// ResizeVolume implements the call.
func (s *Server) ResizeVolume(ctx context.Context, req *agentpb.VolumeRequest) (*agentpb.Empty, error) {
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, box.storages.Resize(ctx, req.MountPoint, req.DeviceSize)
}

// CopyFile implements the call.
func (s *Server) CopyFile(ctx context.Context, req *agentpb.CopyFileRequest) (*agentpb.Empty, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, copyfile.Write(storage.Root, req)
}

// UpdateInterfaces implements the call.
func (s *Server) UpdateInterfaces(ctx context.Context, req *agentpb.UpdateInterfacesRequest) (*agentpb.ListInterfacesReply, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	list, err := network.UpdateInterfaces(ctx, req.Interfaces)
	return &agentpb.ListInterfacesReply{Interfaces: list}, err
}

// RemoveInterface implements the call.
func (s *Server) RemoveInterface(_ context.Context, req *agentpb.RemoveInterfaceRequest) (*agentpb.Empty, error) {
	return &agentpb.Empty{}, network.RemoveInterface(req.Name)
}

// ListInterfaces implements the call.
func (s *Server) ListInterfaces(context.Context, *agentpb.Empty) (*agentpb.ListInterfacesReply, error) {
	list, err := network.List()
	return &agentpb.ListInterfacesReply{Interfaces: list}, err
}

// UpdateRoutes implements the call.
func (s *Server) UpdateRoutes(ctx context.Context, req *agentpb.UpdateRoutesRequest) (*agentpb.ListRoutesReply, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if err := network.UpdateRoutes(req.Routes); err != nil {
		return nil, err
	}
	return s.ListRoutes(ctx, nil)
}

// ListRoutes implements the call.
func (s *Server) ListRoutes(context.Context, *agentpb.Empty) (*agentpb.ListRoutesReply, error) {
	list, err := network.ListRoutes()
	return &agentpb.ListRoutesReply{Routes: list}, err
}

// AddNeighbours implements the call.
func (s *Server) AddNeighbours(_ context.Context, req *agentpb.AddNeighboursRequest) (*agentpb.Empty, error) {
	return &agentpb.Empty{}, network.AddNeighbours(req.Neighbours)
}

// maxCPUs is the greatest number that a kernel takes (NR_CPUS with MAXSMP).
const maxCPUs = 8192

// OnlineResources implements the call.
func (s *Server) OnlineResources(ctx context.Context, req *agentpb.OnlineResourcesRequest) (*agentpb.OnlineResourcesReply, error) {
	if req.Cpus > maxCPUs {
		return nil, call.Errorf(call.InvalidArgument, "%d CPUs, at most %d can be", req.Cpus, maxCPUs)
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if req.Cpus > 0 {
		if err := machine.KeepQuotas(s.Guest.CgroupRoot); err != nil {
			return nil, fmt.Errorf("prepare CPU quotas: %w", err)
		}
	}
	return machine.Online(ctx, req)
}

// SetClock implements the call.
func (s *Server) SetClock(_ context.Context, req *agentpb.SetClockRequest) (*agentpb.SetClockReply, error) {
	if req.ClockNs != 0 {
		if err := machine.SetClock(req.ClockNs); err != nil {
			return nil, err
		}
	}
	return &agentpb.SetClockReply{ClockNs: time.Now().UnixNano()}, nil
}

// AddEntropy implements the call.
func (s *Server) AddEntropy(_ context.Context, req *agentpb.AddEntropyRequest) (*agentpb.Empty, error) {
	return &agentpb.Empty{}, machine.AddEntropy(req.Data)
}

// GuestDetails implements the call.
func (s *Server) GuestDetails(context.Context, *agentpb.Empty) (*agentpb.GuestDetailsReply, error) {
	return machine.Details(s.IsInit)
}

// Metrics implements the call.
func (s *Server) Metrics(context.Context, *agentpb.Empty) (*agentpb.MetricsReply, error) {
	s.mu.Lock()
	n := len(s.containers)
	s.mu.Unlock()
	text, err := machine.Metrics(n)
	return &agentpb.MetricsReply{Text: text}, err
}
