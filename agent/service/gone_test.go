package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/process"
	"github.com/kata-go/kata-runtime/agent/storage"
)

// slow is a container whose execs take until the test lets them start.
type slow struct {
	member
	begun     chan string
	goOn      chan struct{}
	started   *process.Process
	forgotten chan string
	gone      chan struct{}
}

func (c *slow) PID() int { return 1 }

func (c *slow) Exec(context.Context, string, *specs.Process, bool) (*process.Process, error) {
	c.begun <- "exec"
	<-c.goOn
	stdio, err := process.NewStdio(false)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sleep", "infinity")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdio.Stdin, stdio.Stdout, stdio.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.started, err = process.New(cmd.Process.Pid, reaper{cmd}, stdio, func(*process.Exit) {})
	return c.started, err
}

func (c *slow) Signal(_ context.Context, _ string, sig unix.Signal) error {
	if c.started == nil {
		return container.ErrNotFound
	}
	return c.started.Signal(sig)
}

func (c *slow) SignalAll(context.Context, unix.Signal) error { return nil }

func (c *slow) RemoveProcess(id string) error {
	c.started.Remove()
	c.forgotten <- id
	return nil
}

func (c *slow) Remove() error { close(c.gone); return nil }

func newSlow() *slow {
	return &slow{begun: make(chan string, 1), goOn: make(chan struct{}), forgotten: make(chan string, 1), gone: make(chan struct{})}
}

func execRequest() *agentpb.ExecProcessRequest {
	return &agentpb.ExecProcessRequest{ContainerId: "c", ExecId: "e", Process: []byte(`{"args":["x"],"cwd":"/"}`)}
}

// givenUp makes the call, and gives it up while the process is being started. It
// answers where the call's error comes.
func givenUp(t *testing.T, c *slow, exec func(context.Context, *agentpb.ExecProcessRequest) (*agentpb.ExecProcessReply, error)) <-chan error {
	ctx, hangUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := exec(ctx, execRequest())
		failed <- err
	}()
	<-c.begun
	hangUp()
	return failed
}

func TestAProcessWhoseCallerHasGone(t *testing.T) {
	s, _, _ := serve(t)
	c := newSlow()
	s.put("c", c)
	failed := givenUp(t, c, s.ExecProcess)
	close(c.goOn)
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the call: %v", err)
	}
	if id := <-c.forgotten; id != "e" || c.started.Running() {
		t.Errorf("process %q runs: %v", id, c.started.Running())
	}
}

// TestACallerThatHangsUpEndsItsProcess: the whole way, by a client that gives up
// and takes back what it does not know to be there. Which of the two comes
// first is left open.
func TestACallerThatHangsUpEndsItsProcess(t *testing.T) {
	s, client, _ := serve(t)
	c := newSlow()
	s.put("c", c)
	failed := givenUp(t, c, client.ExecProcess)
	want(t, "the call that was given up", <-failed, call.Canceled)
	killed := make(chan error, 1)
	go func() {
		_, err := client.SignalProcess(t.Context(), &agentpb.SignalProcessRequest{ContainerId: "c", ExecId: "e", Signal: 9})
		killed <- err
	}()
	close(c.goOn)
	// The process may have been ended before, for its caller had gone.
	if err := <-killed; err != nil && call.CodeOf(err) != call.NotFound {
		t.Errorf("the call that takes it back: %v", err)
	}
	<-c.started.Done()
}

func TestASignalWaitsForTheProcessThatIsStarted(t *testing.T) {
	s, client, _ := serve(t)
	c := newSlow()
	s.put("c", c)
	started := make(chan error, 1)
	go func() {
		_, err := client.ExecProcess(t.Context(), execRequest())
		started <- err
	}()
	<-c.begun
	// A signal for another one does not wait.
	_, err := client.SignalProcess(t.Context(), &agentpb.SignalProcessRequest{ContainerId: "c", ExecId: "other"})
	want(t, "another process", err, call.NotFound)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.SignalProcess(ctx, &agentpb.SignalProcessRequest{ContainerId: "c", ExecId: "e"}); !errors.Is(err, container.ErrNotFound) {
		t.Errorf("a caller that waits no longer: %v", err)
	}
	killed, signal := make(chan error, 1), waiting(t)
	go func() {
		_, err := s.SignalProcess(signal, &agentpb.SignalProcessRequest{ContainerId: "c", ExecId: "e", Signal: 9})
		killed <- err
	}()
	<-signal.begun
	close(c.goOn)
	want(t, "the process", <-started, call.OK)
	want(t, "its signal", <-killed, call.OK)
	<-c.started.Done()
}

// withBox gives a server a sandbox and containers that are c.
func withBox(t *testing.T, s *Server, c *slow) {
	s.sandbox = &sandbox{id: "s", ready: true, storages: storage.NewTable(s.Log, t.TempDir())}
	s.create = func(*slog.Logger, string, *specs.Spec, container.Guest, container.Ended) (member, error) {
		c.begun <- "create"
		<-c.goOn
		return c, nil
	}
}

func TestAContainerWhoseCallerHasGone(t *testing.T) {
	s, client, _ := serve(t)
	c := newSlow()
	withBox(t, s, c)
	req := &agentpb.CreateContainerRequest{ContainerId: "c", OciSpec: []byte("{}")}
	ctx, hangUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := s.CreateContainer(ctx, req)
		failed <- err
	}()
	<-c.begun
	hangUp()
	close(c.goOn)
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the call: %v", err)
	}
	<-c.gone
	// Its id is free.
	_, err := client.CreateContainer(t.Context(), req)
	want(t, "another with the same id", err, call.OK)
}

func TestRemovingWaitsForTheContainerThatIsMade(t *testing.T) {
	s, client, _ := serve(t)
	c := newSlow()
	withBox(t, s, c)
	created, removed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := client.CreateContainer(t.Context(), &agentpb.CreateContainerRequest{ContainerId: "c", OciSpec: []byte("{}")})
		created <- err
	}()
	<-c.begun
	removal := waiting(t)
	go func() {
		_, err := s.RemoveContainer(removal, &agentpb.ContainerRequest{ContainerId: "c"})
		removed <- err
	}()
	<-removal.begun
	close(c.goOn)
	want(t, "create", <-created, call.OK)
	want(t, "remove", <-removed, call.OK)
	<-c.gone
}

func TestMakingTheSameTwice(t *testing.T) {
	var m making
	end := m.begin("a/")
	m.begin("a/")() // refused by others, and no end of the first
	if m.done["a/"] == nil {
		t.Error("the first has ended with the second")
	}
	end()
	m.wait(t.Context(), "a/")
}

// waits is a context that tells when somebody begins to wait for it.
type waits struct {
	context.Context
	begun chan struct{}
}

func waiting(t *testing.T) waits { return waits{t.Context(), make(chan struct{}, 10)} }

func (w waits) Done() <-chan struct{} {
	w.begun <- struct{}{}
	return w.Context.Done()
}

// reaper waits as libcontainer's process does.
type reaper struct{ *exec.Cmd }

func (r reaper) Wait() (*os.ProcessState, error) {
	err := r.Cmd.Wait()
	return r.ProcessState, err
}
