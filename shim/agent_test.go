package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/containerd/console"
	"github.com/hashicorp/yamux"
	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/serial"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/proxy/mux"
)

// guest is an agent with real processes behind a real kata-proxy: only the VM
// between the two is missing.
type guest struct {
	agentpb.UnimplementedAgentServer
	addr string
	port net.Conn // the guest's end of the serial port

	mu        sync.Mutex
	processes map[string]*process // by exec id
	removed   chan string
}

type process struct {
	cmd            *exec.Cmd
	master         console.Console
	stdin          *stream.Input
	stdout, stderr *stream.Output
	done           chan struct{}
	code           int32
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	dir := t.TempDir()
	g := &guest{processes: map[string]*process{}, removed: make(chan string, 10)}
	qemu, err := sock.Listen(filepath.Join(dir, "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer qemu.Close()
	port, err := sock.Dial(t.Context(), filepath.Join(dir, "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if g.port, err = qemu.Accept(); err != nil {
		t.Fatal(err)
	}
	g.addr = "unix://" + filepath.Join(dir, "proxy.sock")
	listener, err := sock.Listen(filepath.Join(dir, "proxy.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	proxied := make(chan struct{})
	go func() {
		defer close(proxied)
		mux.Run(ctx, port, listener, slog.New(slog.DiscardHandler))
	}()
	session, err := yamux.Server(serial.Coalesce(g.port), serial.Config())
	if err != nil {
		t.Fatal(err)
	}
	server := call.NewServer(agentpb.AgentHandler(g))
	go server.Serve(stream.Split(session, g.stream))
	t.Cleanup(func() {
		stop()
		session.Close()
		<-proxied
		for _, p := range g.processes {
			p.cmd.Process.Kill()
			<-p.done
		}
	})
	return g
}

// start starts a process of the container "c1".
func (g *guest) start(t *testing.T, id string, terminal bool, argv ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.stdout = stream.NewOutput(stream.DefaultWindow)
	var outputs sync.WaitGroup
	var files []*os.File
	output := func(o *stream.Output, file *os.File) {
		outputs.Go(func() {
			o.ReadFrom(file)
			o.Close()
			if !terminal {
				file.Close()
			}
		})
	}
	pipe := func() (*os.File, *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return r, w
	}
	if terminal {
		master, path, err := console.NewPty()
		if err != nil {
			t.Fatal(err)
		}
		slave, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.master = master
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		files = append(files, slave)
		fd, err := syscall.Dup(int(master.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		p.stdin = stream.NewInput(os.NewFile(uintptr(fd), "master"))
		outputs.Go(func() { p.stdout.ReadFrom(master); p.stdout.Close() })
	} else {
		stdin, in := pipe()
		out, stdout := pipe()
		errs, stderr := pipe()
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, stdout, stderr
		files = append(files, stdin, stdout, stderr)
		p.stdin, p.stderr = stream.NewInput(in), stream.NewOutput(stream.DefaultWindow)
		output(p.stdout, out)
		output(p.stderr, errs)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		file.Close()
	}
	go func() {
		p.cmd.Wait()
		ws := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if p.code = int32(ws.ExitStatus()); ws.Signaled() {
			p.code = 128 + int32(ws.Signal())
		}
		p.stdin.Abort()
		close(p.done)
	}()
	g.mu.Lock()
	g.processes[id] = p
	g.mu.Unlock()
	return p
}

func (g *guest) find(container, id string) (*process, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.processes[id]; p != nil && container == "c1" {
		return p, nil
	}
	return nil, call.Errorf(call.NotFound, "no process %q in container %q", id, container)
}

func (g *guest) stream(conn net.Conn) {
	hello, err := stream.ReadHello(conn)
	var p *process
	if err == nil {
		p, err = g.find(hello.ContainerId, hello.ExecId)
	}
	if err != nil {
		stream.Refuse(conn, err)
		conn.Close()
		return
	}
	switch ctx := context.Background(); hello.Stream {
	case agentpb.Stream_STDIN:
		p.stdin.Serve(ctx, conn)
	case agentpb.Stream_STDOUT:
		p.stdout.Serve(ctx, conn, hello.Offset)
	case agentpb.Stream_STDERR:
		p.stderr.Serve(ctx, conn, hello.Offset)
	}
}

func (g *guest) WaitProcess(ctx context.Context, r *agentpb.ProcessRequest) (*agentpb.WaitProcessReply, error) {
	p, err := g.find(r.ContainerId, r.ExecId)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return &agentpb.WaitProcessReply{ExitCode: p.code}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (g *guest) SignalProcess(_ context.Context, r *agentpb.SignalProcessRequest) (*agentpb.Empty, error) {
	p, err := g.find(r.ContainerId, r.ExecId)
	if err != nil {
		return nil, err
	}
	err = p.cmd.Process.Signal(syscall.Signal(r.Signal))
	if errors.Is(err, os.ErrProcessDone) {
		return nil, call.Errorf(call.FailedPrecondition, "process has ended")
	}
	return &agentpb.Empty{}, err
}

func (g *guest) ResizeTTY(_ context.Context, r *agentpb.ResizeTTYRequest) (*agentpb.Empty, error) {
	p, err := g.find(r.ContainerId, r.ExecId)
	if err != nil {
		return nil, err
	}
	return &agentpb.Empty{}, p.master.Resize(console.WinSize{Height: uint16(r.Rows), Width: uint16(r.Columns)})
}

func (g *guest) RemoveProcess(_ context.Context, r *agentpb.ProcessRequest) (*agentpb.Empty, error) {
	g.removed <- r.ExecId
	return &agentpb.Empty{}, nil
}
