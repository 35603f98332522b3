package service

import (
	"context"
	"math"
	"net"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/process"
)

// execer is a container in which further processes can be started.
type execer interface {
	Exec(ctx context.Context, execID string, p *specs.Process, ignorePaused bool) (*process.Process, error)
	Signal(ctx context.Context, execID string, sig unix.Signal) error
	RemoveProcess(execID string) error
}

// ExecProcess implements the call.
func (s *Server) ExecProcess(ctx context.Context, req *agentpb.ExecProcessRequest) (*agentpb.ExecProcessReply, error) {
	c, err := as[execer](s, req.ContainerId)
	if err != nil {
		return nil, err
	}
	if err := checkID("exec_id", req.ExecId); err != nil {
		return nil, err
	}
	p, err := container.ParseProcess(req.Process)
	if err != nil {
		return nil, err
	}
	defer s.making.begin(key(req.ContainerId, req.ExecId))()
	started, err := c.Exec(ctx, req.ExecId, p, req.IgnorePaused)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		s.orphaned(c, req.ContainerId, req.ExecId, started.Done())
		return nil, ctx.Err()
	}
	return &agentpb.ExecProcessReply{Pid: int32(started.PID)}, nil
}

// signaller is a member that can be signalled.
type signaller interface {
	Signal(ctx context.Context, execID string, sig unix.Signal) error
	SignalAll(ctx context.Context, sig unix.Signal) error
}

// SignalProcess implements the call.
func (s *Server) SignalProcess(ctx context.Context, req *agentpb.SignalProcessRequest) (*agentpb.Empty, error) {
	if req.Signal > 64 {
		return nil, call.Errorf(call.InvalidArgument, "signal %d is not in 0 to 64", req.Signal)
	}
	m, err := s.member(req.ContainerId)
	if err != nil {
		return nil, err
	}
	if req.ExecId != "" {
		if err := checkID("exec_id", req.ExecId); err != nil {
			return nil, err
		}
		s.making.wait(ctx, key(req.ContainerId, req.ExecId))
	}
	target := m.(signaller)
	if req.All {
		return &agentpb.Empty{}, target.SignalAll(ctx, unix.Signal(req.Signal))
	}
	return &agentpb.Empty{}, target.Signal(ctx, req.ExecId, unix.Signal(req.Signal))
}

// WaitProcess implements the call.
func (s *Server) WaitProcess(ctx context.Context, req *agentpb.ProcessRequest) (*agentpb.WaitProcessReply, error) {
	done, exit, err := s.end(req)
	if err != nil {
		return nil, err
	}
	select {
	case <-done:
	case <-ctx.Done():
		if req.Owner && req.ExecId != "" {
			if c, err := as[execer](s, req.ContainerId); err == nil {
				s.orphaned(c, req.ContainerId, req.ExecId, done)
			}
		}
		return nil, ctx.Err()
	}
	e := exit()
	return &agentpb.WaitProcessReply{ExitCode: e.Code, ExitedAtNs: e.At.UnixNano(), OomKilled: e.OOMKilled}, nil
}

// orphaned ends a process for which nobody stands any more.
func (s *Server) orphaned(c execer, id, execID string, done <-chan struct{}) {
	if err := c.Signal(context.Background(), execID, unix.SIGKILL); err != nil {
		s.Log.Debug("cannot kill an orphaned process", "container", id, "exec", execID, "err", err)
	}
	go func() {
		<-done
		c.RemoveProcess(execID) // another may have
	}()
}

func (s *Server) end(req *agentpb.ProcessRequest) (<-chan struct{}, func() process.Exit, error) {
	m, err := s.member(req.ContainerId)
	if err != nil {
		return nil, nil, err
	}
	if i, ok := m.(*infra); ok && req.ExecId == "" {
		return i.Done(), i.Exit, nil
	}
	p, err := s.process(req.ContainerId, req.ExecId)
	if err != nil {
		return nil, nil, err
	}
	return p.Done(), p.Exit, nil
}

// RemoveProcess implements the call.
func (s *Server) RemoveProcess(_ context.Context, req *agentpb.ProcessRequest) (*agentpb.Empty, error) {
	c, err := s.container(req.ContainerId)
	if err != nil {
		return nil, err
	}
	if err := checkID("exec_id", req.ExecId); err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, c.RemoveProcess(req.ExecId)
}

// ListProcesses implements the call.
func (s *Server) ListProcesses(_ context.Context, req *agentpb.ContainerRequest) (*agentpb.ListProcessesReply, error) {
	m, err := s.member(req.ContainerId)
	if err != nil {
		return nil, err
	}
	c, ok := m.(*container.Container)
	if !ok {
		return &agentpb.ListProcessesReply{}, nil
	}
	list, err := c.List()
	return &agentpb.ListProcessesReply{Processes: list}, err
}

// ResizeTTY implements the call.
func (s *Server) ResizeTTY(_ context.Context, req *agentpb.ResizeTTYRequest) (*agentpb.Empty, error) {
	if req.Rows == 0 || req.Columns == 0 || req.Rows > math.MaxUint16 || req.Columns > math.MaxUint16 {
		return nil, call.Errorf(call.InvalidArgument, "terminal of %d rows and %d columns: both must be 1 to 65535", req.Rows, req.Columns)
	}
	p, err := s.process(req.ContainerId, req.ExecId)
	if err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, p.Resize(uint16(req.Rows), uint16(req.Columns))
}

// CloseStdin implements the call.
func (s *Server) CloseStdin(_ context.Context, req *agentpb.ProcessRequest) (*agentpb.Empty, error) {
	p, err := s.process(req.ContainerId, req.ExecId)
	if err != nil {
		return nil, err
	}
	p.Stdin().End()
	return &agentpb.Empty{}, nil
}

// ServeStream serves a connection that began with the stream magic, until it
// or the stream has ended, and closes it.
func (s *Server) ServeStream(ctx context.Context, conn net.Conn) {
	var err error
	defer s.caught("stream", &err)
	defer conn.Close()
	hello, err := stream.ReadHello(conn)
	if err != nil {
		return
	}
	if err = s.serveStream(ctx, conn, hello); err != nil {
		s.Log.Debug("stream ended", "container", hello.ContainerId, "exec", hello.ExecId,
			"stream", hello.Stream.String(), "cause", err)
		err = nil
	}
}

func (s *Server) serveStream(ctx context.Context, conn net.Conn, hello *agentpb.StreamHello) error {
	p, err := s.process(hello.ContainerId, hello.ExecId)
	if err != nil {
		return stream.Refuse(conn, coded(err))
	}
	switch hello.Stream {
	case agentpb.Stream_STDIN:
		return p.Stdin().Serve(ctx, conn)
	case agentpb.Stream_STDOUT:
		return p.Stdout().Serve(ctx, conn, hello.Offset)
	default:
		out, err := p.Stderr()
		if err != nil {
			return stream.Refuse(conn, coded(err))
		}
		return out.Serve(ctx, conn, hello.Offset)
	}
}
