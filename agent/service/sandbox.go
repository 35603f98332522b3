package service

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/machine"
	"github.com/kata-go/kata-runtime/agent/network"
	"github.com/kata-go/kata-runtime/agent/storage"
	"github.com/kata-go/kata-runtime/internal/undo"
)

// sandbox is the guest's one sandbox.
type sandbox struct {
	id       string
	storages *storage.Table
	hookDir  string
	// pause holds the shared pid namespace.
	pause     pause
	hugePages machine.HugePages
	// ready is closed when CreateSandbox is through with it.
	ready bool
}

const (
	// sandboxDir holds what belongs to the sandbox itself.
	sandboxDir = storage.Root + "/sandbox"
	shmDefault = 64 << 20
)

// box answers the sandbox, or FailedPrecondition.
func (s *Server) box() (*sandbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sandbox == nil || !s.sandbox.ready {
		return nil, call.Errorf(call.FailedPrecondition, "the guest has no sandbox: CreateSandbox comes first")
	}
	return s.sandbox, nil
}

// CreateSandbox implements the call.
func (s *Server) CreateSandbox(ctx context.Context, req *agentpb.CreateSandboxRequest) (_ *agentpb.CreateSandboxReply, err error) {
	if err := checkID("sandbox_id", req.SandboxId); err != nil {
		return nil, err
	}
	if req.GuestHookPath != "" && !filepath.IsAbs(req.GuestHookPath) {
		return nil, call.Errorf(call.InvalidArgument, "guest_hook_path %q is not absolute", req.GuestHookPath)
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	box := &sandbox{id: req.SandboxId, hookDir: req.GuestHookPath, storages: storage.NewTable(s.Log, storage.Root)}
	s.mu.Lock()
	if s.sandbox != nil {
		defer s.mu.Unlock()
		return nil, call.Errorf(call.AlreadyExists, "the guest belongs to sandbox %s", s.sandbox.id)
	}
	s.sandbox = box
	s.mu.Unlock()

	var back undo.List
	back.Add("forget sandbox", func() error { s.mu.Lock(); s.sandbox = nil; s.mu.Unlock(); return nil })
	defer func() {
		if err == nil {
			return
		}
		if uerr := back.Run(); uerr != nil {
			s.Log.Error("sandbox not undone", "sandbox", req.SandboxId, "error", uerr)
		}
	}()
	if err := s.prepare(ctx, box, req, &back); err != nil {
		return nil, err
	}
	reply := &agentpb.CreateSandboxReply{}
	if reply.Interfaces, err = network.List(); err != nil {
		return nil, err
	}
	if req.Container != nil {
		if reply.Container, err = s.createContainer(ctx, box, req.Container, false); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	box.ready = true
	s.mu.Unlock()
	return reply, nil
}

// prepare makes the guest fit for containers, in the order in which one part
// needs another.
func (s *Server) prepare(ctx context.Context, box *sandbox, req *agentpb.CreateSandboxRequest, back *undo.List) error {
	// First: what follows may draw random numbers and time stamps.
	if len(req.Entropy) > 0 {
		if err := machine.AddEntropy(req.Entropy); err != nil {
			return err
		}
	}
	if req.ClockNs != 0 {
		if err := machine.SetClock(req.ClockNs); err != nil {
			return err
		}
	}
	if req.Hostname != "" {
		if err := setHostname(req.Hostname); err != nil {
			return err
		}
	}
	if err := writeResolv(req.Dns); err != nil {
		return err
	}
	if len(req.Interfaces) > 0 {
		if _, err := network.UpdateInterfaces(ctx, req.Interfaces); err != nil {
			return err
		}
	}
	if len(req.Routes) > 0 {
		if err := network.UpdateRoutes(req.Routes); err != nil {
			return err
		}
	}
	if err := network.AddNeighbours(req.Neighbours); err != nil {
		return err
	}
	// After the interfaces, as for a container alone: they can name one
	// (net.ipv4.conf.eth0), and switch off what it has (disable_ipv6).
	if err := container.WriteSysctls(req.Sysctls); err != nil {
		return err
	}
	size := req.ShmSize
	if size == 0 {
		size = shmDefault
	}
	shm := &agentpb.Storage{Driver: "ephemeral", MountPoint: sandboxDir + "/shm",
		Options: []string{"nosuid", "nodev", "noexec", "mode=1777", "size=" + strconv.FormatUint(size, 10)}}
	back.Add("unmount storages", func() error { return box.storages.Clear(false) })
	if err := box.storages.Add(ctx, append([]*agentpb.Storage{shm}, req.Storages...)); err != nil {
		return err
	}
	if req.SharePid {
		if _, err := box.pause.start(); err != nil {
			return err
		}
		back.Add("end pause process", box.pause.end)
	}
	return nil
}

// setHostname: a name of the length that the kernel takes (__NEW_UTS_LEN).
func setHostname(name string) error {
	if len(name) > 64 || strings.ContainsAny(name, "/\x00\n") {
		return call.Errorf(call.InvalidArgument, "hostname %q", name)
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set host name %q: %w", name, err)
	}
	return nil
}

func writeResolv(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\n\x00") {
			return call.Errorf(call.InvalidArgument, "dns line %q", line)
		}
	}
	if err := os.MkdirAll("/etc", 0o755); err != nil {
		return err
	}
	return os.WriteFile("/etc/resolv.conf", []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// guestFor fits the guest to one container of the sandbox; pause is the pid of
// the process behind an infra container.
func (b *sandbox) guestFor(g container.Guest, req *agentpb.CreateContainerRequest) (_ container.Guest, pause int, err error) {
	g.HookDir = b.hookDir
	if !req.SharePid {
		return g, b.pause.pid(), nil
	}
	if pause, err = b.pause.start(); err != nil {
		return g, 0, err
	}
	g.SharedPID = fmt.Sprintf("/proc/%d/ns/pid", pause)
	return g, pause, nil
}

// DestroySandbox implements the call.
func (s *Server) DestroySandbox(_ context.Context, req *agentpb.DestroySandboxRequest) (*agentpb.Empty, error) {
	s.mu.Lock()
	box := s.sandbox
	var ids []string
	for id, m := range s.containers {
		if m != nil {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()
	if box == nil && !req.PowerOff {
		return nil, call.Errorf(call.NotFound, "the guest has no sandbox")
	}
	var first error
	keep := func(err error) {
		if err != nil {
			s.Log.Error("sandbox not destroyed", "error", err)
			if first == nil {
				first = err
			}
		}
	}
	for _, id := range ids {
		if req.VmEnds {
			keep(s.endContainer(id))
		} else {
			keep(s.remove(id))
		}
	}
	if box != nil {
		keep(box.storages.Clear(req.VmEnds))
		keep(box.pause.end())
	}
	keep(storage.WriteBack())
	if first == nil && !req.VmEnds {
		s.mu.Lock()
		s.sandbox = nil
		s.mu.Unlock()
	}
	if req.PowerOff {
		if s.PowerOff == nil {
			return nil, call.Errorf(call.FailedPrecondition, "power_off: the agent is not the guest's init")
		}
		// A guest that shall end ends, whatever could not be undone in it.
		s.events.end()
		s.PowerOff()
		return &agentpb.Empty{}, nil
	}
	return &agentpb.Empty{}, first
}
