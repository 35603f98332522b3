package vmtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// in makes a guest whose failures are a subtest's.
func (g *guest) in(t *testing.T) *guest {
	sub := *g
	sub.t = t
	return &sub
}

func TestLife(t *testing.T) {
	g := boot(t)
	g.sandbox()
	events, err := g.Events(g.ctx, &agentpb.EventsRequest{})
	g.must(err)
	// The call is under way when another on the same connection is answered.
	t.Run("kill", func(t *testing.T) { testKill(g.in(t)) })
	t.Run("terminal", func(t *testing.T) { testTerminal(g.in(t)) })
	t.Run("exec", func(t *testing.T) { testExec(g.in(t)) })
	t.Run("missing command", func(t *testing.T) { testMissing(g.in(t)) })
	t.Run("out of memory", func(t *testing.T) { testOOM(g.in(t), events) })
	t.Run("pause", func(t *testing.T) { testPause(g.in(t)) })
	t.Run("limits", func(t *testing.T) { testLimits(g.in(t)) })
	t.Run("orphans", func(t *testing.T) { testOrphans(g.in(t)) })
	t.Run("clock", func(t *testing.T) { testClock(g.in(t)) })
}

func testKill(g *guest) {
	g.must(g.create("k", spec("sleep", "1000")))
	_, err := g.SignalProcess(g.ctx, &agentpb.SignalProcessRequest{ContainerId: "k"})
	g.must(err)
	g.start("k")
	_, err = g.SignalProcess(g.ctx, &agentpb.SignalProcessRequest{ContainerId: "k", Signal: 9})
	g.must(err)
	if code := g.wait("k", "").ExitCode; code != 137 {
		g.t.Errorf("code %d", code)
	}
	if code := g.wait("k", "").ExitCode; code != 137 {
		g.t.Errorf("asked again: code %d", code)
	}
	_, err = g.SignalProcess(g.ctx, &agentpb.SignalProcessRequest{ContainerId: "k", Signal: 9})
	g.want(err, call.NotFound, "")
	g.want(g.exec("k", "x", process("true")), call.FailedPrecondition, "stopped")
	g.want(g.create("k", spec("true")), call.AlreadyExists, "")
	g.remove("k")
	_, err = g.WaitProcess(g.ctx, &agentpb.ProcessRequest{ContainerId: "k"})
	g.want(err, call.NotFound, "")
}

func (g *guest) want(err error, code call.Code, text string) {
	g.t.Helper()
	if call.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		g.t.Errorf("error %v, want %s with %q", err, code, text)
	}
}

func testTerminal(g *guest) {
	s := spec(shell("stty size; read x; stty size; echo $x; tty; exit 4")...)
	s.Process.Terminal = true
	s.Process.ConsoleSize = &specs.Box{Height: 25, Width: 91}
	g.must(g.create("tty", s))
	g.start("tty")
	_, err := g.ResizeTTY(g.ctx, &agentpb.ResizeTTYRequest{ContainerId: "tty", Rows: 0, Columns: 1})
	g.want(err, call.InvalidArgument, "")
	// The first size has been printed, its line's end too (stty may write that by
	// itself), before the answer is sent, whose echo would come between.
	first := &broken{after: len("25 91\r\n"), do: func() {
		_, err := g.ResizeTTY(g.ctx, &agentpb.ResizeTTYRequest{ContainerId: "tty", Rows: 30, Columns: 100})
		if err != nil {
			g.t.Error(err)
		}
		go g.attach("tty", "", agentpb.Stream_STDIN, 0).CopyFrom(strings.NewReader("word\n"))
	}}
	g.must(g.attach("tty", "", agentpb.Stream_STDOUT, 0).CopyTo(first))
	want := "25 91\r\nword\r\n30 100\r\nword\r\n/dev/pts/0\r\n"
	if got := first.String(); got != want {
		g.t.Errorf("printed %q, want %q", got, want)
	}
	if code := g.wait("tty", "").ExitCode; code != 4 {
		g.t.Errorf("code %d", code)
	}
	g.remove("tty")
}

func testExec(g *guest) {
	g.must(g.create("e", spec("sleep", "1000")))
	g.start("e")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := fmt.Sprintf("x%d", i)
			p := process(shell("echo $0 out; echo $0 err >&2; exit %d", i)...)
			p.Args = append(p.Args, id)
			if err := g.exec("e", id, p); err != nil {
				g.t.Error(err)
				return
			}
			if code := g.wait("e", id).ExitCode; code != int32(i) {
				g.t.Errorf("%s: code %d", id, code)
			}
			if out := g.output("e", id, agentpb.Stream_STDOUT); out != id+" out\n" {
				g.t.Errorf("%s: printed %q", id, out)
			}
			if out := g.output("e", id, agentpb.Stream_STDERR); out != id+" err\n" {
				g.t.Errorf("%s: printed %q on stderr", id, out)
			}
			if _, err := g.RemoveProcess(g.ctx, &agentpb.ProcessRequest{ContainerId: "e", ExecId: id}); err != nil {
				g.t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := g.ListProcesses(g.ctx, &agentpb.ContainerRequest{ContainerId: "e"})
	g.must(err)
	if len(list.Processes) != 1 || list.Processes[0].Command != "sleep 1000" || !list.Processes[0].Known {
		g.t.Errorf("processes %+v", list.Processes)
	}
	tty := process(shell("tty; exit 2")...)
	tty.Terminal = true
	g.must(g.exec("e", "t", tty))
	if out, code := g.output("e", "t", agentpb.Stream_STDOUT), g.wait("e", "t").ExitCode; !strings.HasPrefix(out, "/dev/pts/") || code != 2 {
		g.t.Errorf("terminal %q, code %d", out, code)
	}
	g.must(g.exec("e", "long", process("sleep", "1000")))
	g.want(g.exec("e", "long", process("true")), call.AlreadyExists, "")
	_, err = g.SignalProcess(g.ctx, &agentpb.SignalProcessRequest{ContainerId: "e", ExecId: "long", Signal: 15})
	g.must(err)
	if code := g.wait("e", "long").ExitCode; code != 143 {
		g.t.Errorf("terminated exec: code %d", code)
	}
	testEarlySignal(g)
	// Standard input ends by the call, too.
	g.must(g.exec("e", "in", process("cat")))
	_, err = g.CloseStdin(g.ctx, &agentpb.ProcessRequest{ContainerId: "e", ExecId: "in"})
	g.must(err)
	if code := g.wait("e", "in").ExitCode; code != 0 {
		g.t.Errorf("cat: code %d", code)
	}
	g.remove("e")
}

// testEarlySignal signals processes that have only just been started, beside
// others, so that some of them do not run their program yet.
func testEarlySignal(g *guest) {
	if out := g.runIn("e", "ign", "grep", "^SigIgn", "/proc/self/status"); out != "SigIgn:\t0000000000000000\n" {
		g.t.Errorf("signals are ignored from the start: %q", out)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 12 {
				id := fmt.Sprintf("s%d-%d", i, j)
				if err := g.exec("e", id, process("sleep", "1000")); err != nil {
					g.t.Error(err)
					return
				}
				_, err := g.SignalProcess(g.ctx, &agentpb.SignalProcessRequest{ContainerId: "e", ExecId: id, Signal: 15})
				if err != nil {
					g.t.Error(err)
				}
				if code := g.wait("e", id).ExitCode; code != 143 {
					g.t.Errorf("terminated at once: code %d", code)
				}
			}
		})
	}
	wg.Wait()
}

// runIn runs a process of a container to its end and answers what it printed.
func (g *guest) runIn(id, exec string, args ...string) string {
	g.t.Helper()
	g.must(g.exec(id, exec, process(args...)))
	return g.output(id, exec, agentpb.Stream_STDOUT)
}

func testMissing(g *guest) {
	g.want(g.create("m", spec("nosuchcommand")), call.Internal, "executable file not found in $PATH")
	g.want(g.create("m", spec("/nosuchcommand")), call.Internal, "no such file or directory")
	g.want(g.create("m", spec("/etc/noexec")), call.Internal, "permission denied")
	s := spec("true")
	s.Root.Path = "/nosuchroot"
	g.want(g.create("m", s), call.Internal, "no such file or directory")
	g.must(g.create("m", spec("sleep", "1000")))
	g.start("m")
	g.want(g.exec("m", "x", process("nosuchcommand")), call.Internal, "executable file not found in $PATH")
	g.must(g.exec("m", "x", process("true")))
	g.remove("m")
}

func testOOM(g *guest, events agentpb.Agent_EventsClient) {
	s := spec(shell("x=a; while true; do x=$x$x; done")...)
	limit := int64(16 << 20)
	swap := 2 * limit
	s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &swap}
	g.must(g.create("oom", s))
	g.start("oom")
	if reply := g.wait("oom", ""); reply.ExitCode != 137 || !reply.OomKilled {
		g.t.Errorf("reply %+v", reply)
	}
	var oom, exit bool
	for !oom || !exit {
		e, err := events.Recv()
		g.must(err)
		if e.ContainerId != "oom" {
			continue
		}
		oom = oom || e.Kind == agentpb.Event_OOM
		exit = exit || e.Kind == agentpb.Event_EXIT && e.ExitCode == 137
	}
	g.remove("oom")
}

func testPause(g *guest) {
	g.must(g.create("p", spec("sleep", "1000")))
	g.start("p")
	request := &agentpb.ContainerRequest{ContainerId: "p"}
	// What is so already is no error: the host may not know it.
	_, err := g.StartContainer(g.ctx, request)
	g.must(err)
	for range 2 {
		_, err = g.PauseContainer(g.ctx, request)
		g.must(err)
	}
	_, err = g.StartContainer(g.ctx, request)
	g.want(err, call.FailedPrecondition, "paused")
	g.want(g.exec("p", "x", process("true")), call.FailedPrecondition, "paused")
	doc, _ := json.Marshal(process("echo", "thawed"))
	started := make(chan error, 1)
	go func() {
		_, err := g.ExecProcess(g.ctx, &agentpb.ExecProcessRequest{ContainerId: "p", ExecId: "f", Process: doc, IgnorePaused: true})
		started <- err
	}()
	_, err = g.ResumeContainer(g.ctx, request)
	g.must(err)
	if err := <-started; err == nil {
		if out := g.output("p", "f", agentpb.Stream_STDOUT); out != "thawed\n" {
			g.t.Errorf("printed %q", out)
		}
	} else {
		g.t.Error(err)
	}
	_, err = g.ResumeContainer(g.ctx, request)
	g.must(err)
	// A paused container can be killed.
	_, err = g.PauseContainer(g.ctx, request)
	g.must(err)
	g.remove("p")
}

func testLimits(g *guest) {
	s := spec("sleep", "1000")
	pids, quota, period := int64(50), int64(20000), uint64(100000)
	s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	s.Linux.Resources.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period, Cpus: "4-7"}
	g.must(g.create("l", s))
	g.start("l")
	stats, err := g.StatsContainer(g.ctx, &agentpb.ContainerRequest{ContainerId: "l"})
	g.must(err)
	if stats.Pids.Current == 0 || stats.Pids.Limit != 50 || stats.Memory.Usage == 0 || stats.Memory.Limit != 0 || stats.Cpu.UsageNs == 0 {
		g.t.Errorf("stats %+v", stats)
	}
	_, err = g.UpdateContainer(g.ctx, &agentpb.UpdateContainerRequest{ContainerId: "l",
		Resources: []byte(`{"memory":{"limit":33554432},"cpu":{"period":50000}}`)})
	g.must(err)
	// A quota below the kernel's 1 ms is refused, when the memory's limit is set already.
	_, err = g.UpdateContainer(g.ctx, &agentpb.UpdateContainerRequest{ContainerId: "l",
		Resources: []byte(`{"memory":{"limit":67108864},"pids":{"limit":60},"cpu":{"quota":500}}`)})
	if err == nil {
		g.t.Error("an update that the kernel refuses succeeded")
	}
	g.must(g.exec("l", "x", process("cat", "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids.max", "/proc/self/oom_score_adj")))
	if out := g.output("l", "x", agentpb.Stream_STDOUT); out != "20000 50000\n33554432\n50\n0\n" {
		g.t.Errorf("limits %q, %s", out, g.output("l", "x", agentpb.Stream_STDERR))
	}
	g.remove("l")
}

// testOrphans leaves processes behind in the guest's own pid namespace: PID 1
// of the guest reaps them.
func testOrphans(g *guest) {
	s := spec(shell(`for i in 1 2 3 4 5 6 7 8 9; do (sleep 0 & sleep 0 & ); done; (exec sleep 0) & wait
		read x; grep -c "^State:.Z" /proc/[0-9]*/status 2>/dev/null | grep -v ":0" | wc -l; cat /proc/1/comm`)...)
	s.Linux.Namespaces = s.Linux.Namespaces[1:] // no pid namespace
	g.must(g.create("o", s))
	g.start("o")
	// Execs meanwhile: their ends must not get lost among the orphans'.
	for i := range 5 {
		id := fmt.Sprintf("x%d", i)
		g.must(g.exec("o", id, process(shell("(sleep 0 &) ; exit %d", i+10)...)))
		if code := g.wait("o", id).ExitCode; code != int32(i+10) {
			g.t.Errorf("exec %d: code %d", i, code)
		}
	}
	g.must(g.attach("o", "", agentpb.Stream_STDIN, 0).CopyFrom(strings.NewReader("go on\n")))
	if out := g.output("o", "", agentpb.Stream_STDOUT); out != "0\ninit\n" && out != "0\nkata-agent\n" {
		g.t.Errorf("zombies and PID 1's name: %q", out)
	}
	g.remove("o")
}

// testClock sets the guest's clock, and asks what it shows.
func testClock(g *guest) {
	const then = int64(1e18)
	for _, set := range []int64{then, 0} {
		reply, err := g.SetClock(g.ctx, &agentpb.SetClockRequest{ClockNs: set})
		g.must(err)
		if off := reply.ClockNs - then; off < 0 || off > int64(time.Minute) {
			g.t.Errorf("set to %d, the clock shows %d", set, reply.ClockNs)
		}
	}
}
