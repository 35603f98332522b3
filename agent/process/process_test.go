package process

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
)

// start runs a shell script as libcontainer would.
func start(t *testing.T, script string) *Process {
	t.Helper()
	stdio, err := NewStdio(false)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdio.Stdin, stdio.Stdout, stdio.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	var ends atomic.Int32
	p, err := New(cmd.Process.Pid, waiter{cmd}, stdio, func(e *Exit) { ends.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Signal(unix.SIGKILL)
		<-p.Done()
		p.Remove()
		if n := ends.Load(); n != 1 {
			t.Errorf("the end was told %d times", n)
		}
	})
	return p
}

// attach is a client of a stream.
func attach(t *testing.T, which agentpb.Stream, serve func(context.Context, net.Conn) error) *stream.Client {
	t.Helper()
	host, guest := net.Pipe()
	go func() {
		magic := make([]byte, len(stream.Magic))
		guest.Read(magic)
		if _, err := stream.ReadHello(guest); err == nil {
			serve(context.Background(), guest)
		}
	}()
	client, err := stream.Attach(context.Background(), host, &agentpb.StreamHello{ContainerId: "c", Stream: which})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (p *Process) allOut(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	client := attach(t, agentpb.Stream_STDOUT, func(ctx context.Context, c net.Conn) error { return p.Stdout().Serve(ctx, c, 0) })
	if err := client.CopyTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestExitCodes(t *testing.T) {
	for script, want := range map[string]int32{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137, "kill -TERM $$": 143} {
		p := start(t, script)
		<-p.Done()
		if got := p.Exit(); got.Code != want || got.At.IsZero() {
			t.Errorf("%s: %+v, want code %d", script, got, want)
		}
		if err := p.Signal(unix.SIGTERM); !errors.Is(err, ErrEnded) {
			t.Errorf("%s: Signal = %v, want ErrEnded", script, err)
		}
	}
}

// An orphan that holds the pipe open must not keep the stream from ending, and
// what was written before the end must come: also what was still in the pipe.
func TestOutputEndsWithTheProcess(t *testing.T) {
	p := start(t, "head -c 300000 /dev/zero | tr '\\0' x; sleep 1000 & echo end; exit 0")
	// More than the window: the process can end only when a client takes it.
	out := p.allOut(t)
	if want := strings.Repeat("x", 300000) + "end\n"; out != want {
		t.Errorf("%d bytes came, %d were written", len(out), len(want))
	}
	<-p.Done()
}

func TestOutputIsKeptAfterTheEnd(t *testing.T) {
	p := start(t, "head -c 200000 /dev/zero; sleep 1000 & exit 3")
	<-p.Done()
	if out := p.allOut(t); len(out) != 200000 {
		t.Errorf("%d bytes", len(out))
	}
}

func TestInputEnds(t *testing.T) {
	p := start(t, "cat; echo over")
	client := attach(t, agentpb.Stream_STDIN, p.Stdin().Serve)
	if err := client.CopyFrom(strings.NewReader("some words\n")); err != nil {
		t.Fatal(err)
	}
	if out := p.allOut(t); out != "some words\nover\n" {
		t.Errorf("printed %q", out)
	}
}

func TestRemoveEndsClients(t *testing.T) {
	p := start(t, "exec sleep 1000")
	client := attach(t, agentpb.Stream_STDOUT, func(ctx context.Context, c net.Conn) error { return p.Stdout().Serve(ctx, c, 0) })
	ended := make(chan error, 1)
	go func() { ended <- client.CopyTo(&bytes.Buffer{}) }()
	if err := p.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	p.Remove()
	p.Remove()
	<-ended
	if err := p.Resize(1, 1); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("Resize = %v", err)
	}
}

// Many at once: each gets its own status.
func TestNoExitStatusIsLost(t *testing.T) {
	var all []*Process
	for i := range 40 {
		all = append(all, start(t, "(exit 1) & exit "+string(rune('0'+i%10))))
	}
	for i, p := range all {
		<-p.Done()
		if code := p.Exit().Code; code != int32(i%10) {
			t.Errorf("process %d: code %d", i, code)
		}
	}
}

// waiter is os/exec's Wait with libcontainer's answer.
type waiter struct{ *exec.Cmd }

func (w waiter) Wait() (*os.ProcessState, error) {
	err := w.Cmd.Wait()
	return w.ProcessState, err
}

// A daemon that a process left behind is not ended by what it prints, whether or not
// a client took the process's own output.
func TestDaemonPrintsAfterRemove(t *testing.T) {
	for _, attached := range []bool{true, false} {
		dir := t.TempDir()
		begin, done := filepath.Join(dir, "begin"), filepath.Join(dir, "done")
		if err := errors.Join(unix.Mkfifo(begin, 0o600), unix.Mkfifo(done, 0o600)); err != nil {
			t.Fatal(err)
		}
		p := start(t, "(read x <"+begin+"; head -c 300000 /dev/zero; echo error >&2; echo done >"+done+") & echo own; exit 0")
		if attached {
			if out := p.allOut(t); out != "own\n" {
				t.Errorf("printed %q", out)
			}
		}
		<-p.Done()
		p.Remove()
		if err := os.WriteFile(begin, []byte("begin\n"), 0); err != nil {
			t.Fatal(err)
		}
		if said, err := os.ReadFile(done); err != nil || string(said) != "done\n" {
			t.Errorf("said %q, %v", said, err)
		}
	}
}
