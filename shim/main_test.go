package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
)

// TestMain makes the test's own binary a shim, so that what is tested is a
// process with descriptors and signals of its own.
func TestMain(m *testing.M) {
	if os.Getenv("KATA_SHIM_TEST") != "" {
		main()
	}
	os.Exit(m.Run())
}

// shim is a shim that has not been started.
type shim struct {
	*exec.Cmd
	gate, gateRead *os.File
	log            string
}

func newShim(t *testing.T, g *guest, args ...string) *shim {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &shim{gate: w, gateRead: r, log: filepath.Join(t.TempDir(), "log")}
	args = append([]string{"--agent", g.addr, "--container", "c1", "--start-fd", "3", "--log", s.log, "--debug"}, args...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.Cmd = exec.CommandContext(ctx, os.Args[0], args...)
	s.Env = append(os.Environ(), "KATA_SHIM_TEST=1")
	s.ExtraFiles = []*os.File{r}
	t.Cleanup(func() {
		cancel()
		s.gate.Close()
		if t.Failed() {
			data, _ := os.ReadFile(s.log)
			t.Logf("shim's log:\n%s", data)
		}
	})
	return s
}

// start starts the shim; release lets it begin.
func (s *shim) start(t *testing.T) {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.gateRead.Close()
}

func (s *shim) release(t *testing.T) {
	t.Helper()
	if _, err := s.gate.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
}

// code waits for the shim's end.
func (s *shim) code(t *testing.T) int {
	t.Helper()
	s.Wait()
	ws := s.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		t.Fatalf("the shim was killed by %v", ws.Signal())
	}
	return ws.ExitStatus()
}

func TestExitCodeAndOutputs(t *testing.T) {
	g := newGuest(t)
	for i, c := range []struct {
		script, stdout, stderr string
		code                   int
	}{
		{"exit 0", "", "", 0},
		{"exit 7", "", "", 7},
		{"exit 255", "", "", 255},
		{"kill -9 $$", "", "", 137},
		{"kill -TERM $$", "", "", 143},
		{"echo out; echo err >&2; exit 3", "out\n", "err\n", 3},
		{"printf 'no end of line'", "no end of line", "", 0},
		{"cat; exec cat <&- 2>&-", "", "", 1}, // standard input: /dev/null
	} {
		id := fmt.Sprint("p", i)
		g.start(t, id, false, "sh", "-c", c.script)
		s := newShim(t, g, "--exec", id)
		var stdout, stderr bytes.Buffer
		s.Stdout, s.Stderr = &stdout, &stderr
		s.start(t)
		s.release(t)
		if code := s.code(t); code != c.code || stdout.String() != c.stdout || stderr.String() != c.stderr {
			t.Errorf("%s: code %d, %q, %q", c.script, code, stdout.String(), stderr.String())
		}
		if got := <-g.removed; got != id {
			t.Errorf("removed %q, want %q", got, id)
		}
	}
}

func TestThroughCatByteExact(t *testing.T) {
	g := newGuest(t)
	g.start(t, "", false, "cat")
	s := newShim(t, g)
	data := make([]byte, 100_000_007)
	rand.New(rand.NewSource(1)).Read(data)
	s.Stdin = bytes.NewReader(data)
	sum := sha256.New()
	s.Stdout = sum
	s.start(t)
	s.release(t)
	if code := s.code(t); code != 0 {
		t.Errorf("code %d", code)
	}
	if want := sha256.Sum256(data); !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Error("other bytes came out than went in")
	}
	select {
	case id := <-g.removed:
		t.Errorf("the container's init %q was removed", id)
	default:
	}
}

func TestDeathOfTheVM(t *testing.T) {
	g := newGuest(t)
	g.start(t, "", false, "sh", "-c", "echo last words; exec sleep 1000")
	s := newShim(t, g)
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.start(t)
	s.release(t)
	got := make([]byte, 11)
	if _, err := io.ReadFull(out, got); err != nil || string(got) != "last words\n" {
		t.Fatalf("%q, %v", got, err)
	}
	g.port.Close()
	if code := s.code(t); code != 255 {
		t.Errorf("code %d", code)
	}
	data, err := os.ReadFile(s.log)
	if err != nil || !strings.Contains(string(data), "level=error") || !strings.Contains(string(data), "connection to the VM is lost") {
		t.Errorf("log %q, %v", data, err)
	}
}

func TestKilledShimLeavesTheProcessAlone(t *testing.T) {
	g := newGuest(t)
	g.start(t, "", false, "sh", "-c", "echo one; read x; echo two $x; exit 9")
	first := newShim(t, g)
	in, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	first.start(t)
	first.release(t)
	if _, err := io.ReadFull(out, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	first.Process.Kill()
	first.Wait()
	// A broken connection is no end of input: the process still waits for some.
	agent, err := dial.Client(t.Context(), g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	if _, err := agent.SignalProcess(t.Context(), &agentpb.SignalProcessRequest{ContainerId: "c1", Signal: 0}); err != nil {
		t.Fatal(err)
	}
	second := newShim(t, g)
	var got bytes.Buffer
	second.Stdin, second.Stdout = strings.NewReader("more\n"), &got
	second.start(t)
	second.release(t)
	if code := second.code(t); code != 9 || !strings.HasSuffix(got.String(), "two more\n") {
		t.Errorf("code %d, %q", code, got.String())
	}
}

func TestClosedReaderIsAPipeSignal(t *testing.T) {
	g := newGuest(t)
	g.start(t, "", false, "yes")
	s := newShim(t, g)
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.start(t)
	s.release(t)
	if _, err := io.ReadFull(out, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if code := s.code(t); code != 128+int(syscall.SIGPIPE) {
		t.Errorf("code %d, want that of SIGPIPE", code)
	}
}

func TestClosedInputReachesTheWriter(t *testing.T) {
	g := newGuest(t)
	g.start(t, "", false, "sh", "-c", "exec <&-; read x; exec sleep 1000")
	s := newShim(t, g)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s.Stdin = r
	s.start(t)
	r.Close()
	s.release(t)
	// The pipe takes 64 KiB, the streams some windows; a writer that gets its
	// error has been told.
	data := make([]byte, 16<<20)
	if _, err := w.Write(data); err == nil {
		t.Error("16 MiB went to a process that reads nothing")
	}
	g.processes[""].cmd.Process.Kill()
	if code := s.code(t); code != 137 {
		t.Errorf("code %d", code)
	}
}

func TestOpenInputDoesNotKeepTheShim(t *testing.T) {
	g := newGuest(t)
	g.start(t, "", false, "sh", "-c", "exit 4")
	s := newShim(t, g)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s.Stdin = r
	s.start(t)
	r.Close()
	s.release(t)
	if code := s.code(t); code != 4 {
		t.Errorf("code %d", code)
	}
}

func TestNeverReleased(t *testing.T) {
	g := newGuest(t)
	s := newShim(t, g)
	s.start(t)
	s.gate.Close()
	if code := s.code(t); code != notStarted {
		t.Errorf("code %d", code)
	}
}

// TestDisown: who made the process has died before it told the shim.
func TestDisown(t *testing.T) {
	g := newGuest(t)
	p := g.start(t, "e1", false, "sleep", "infinity")
	s := newShim(t, g, "--exec", "e1")
	s.start(t)
	s.gate.Close()
	if code := s.code(t); code != notStarted {
		t.Errorf("exit code %d", code)
	}
	<-p.done
	if id := <-g.removed; p.code != 137 || id != "e1" {
		t.Errorf("%q is forgotten, the process ended with %d", id, p.code)
	}
	// One that never came to exist.
	s = newShim(t, g, "--exec", "e2")
	s.start(t)
	s.gate.Close()
	if code := s.code(t); code != notStarted {
		t.Errorf("exit code %d", code)
	}
	if len(g.removed) != 0 {
		t.Error("a process is forgotten that was not there")
	}
}

func TestUnknownProcess(t *testing.T) {
	g := newGuest(t)
	s := newShim(t, g, "--exec", "nobody")
	s.start(t)
	s.release(t)
	if code := s.code(t); code != 255 {
		t.Errorf("code %d", code)
	}
	if data, err := os.ReadFile(s.log); err != nil || !strings.Contains(string(data), "nobody") {
		t.Errorf("log %q, %v", data, err)
	}
}

func TestTitle(t *testing.T) {
	g := newGuest(t)
	g.start(t, "", false, "sh", "-c", "echo here; read x")
	s := newShim(t, g, "--title", "/usr/sbin/nginx -g daemon off;")
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.start(t)
	s.release(t)
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.Process.Pid))
	if err != nil || strings.TrimRight(string(command), "\x00") != "/usr/sbin/nginx -g daemon off;" {
		t.Errorf("command line %q, %v", command, err)
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.Process.Pid))
	if err != nil || string(name) != "nginx\n" {
		t.Errorf("name %q, %v", name, err)
	}
	in.Close()
	s.code(t)
}

func TestArgumentsThatAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--agent", "unix:///a"}, {"--agent", "a", "--container", "c"},
		{"--agent", "unix:///a", "--container", "a/b"}, {"--agent", "unix:///a", "--container", "c", "--exec", ".."},
		{"--agent", "unix:///a", "--container", "c", "more"}, {"--nonsense"},
	} {
		var stderr bytes.Buffer
		if o, err := parse(args, &stderr); err == nil {
			t.Errorf("%q: taken: %v", args, o)
		}
	}
}
