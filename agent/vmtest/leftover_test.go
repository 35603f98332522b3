package vmtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
)

// TestLeftovers: execs that fail half-way leave no process, and do not keep their
// container from its end.
func TestLeftovers(t *testing.T) {
	g := boot(t)
	g.sandbox()
	t.Run("pids limit", func(t *testing.T) { testNoPIDs(g.in(t)) })
	t.Run("end of the container", func(t *testing.T) { testExecAtTheEnd(g.in(t)) })
}

// testNoPIDs leaves an exec room for the first two of the processes that it needs.
func testNoPIDs(g *guest) {
	g.must(g.create("few", spec("sleep", "1000")))
	g.start("few")
	limit := func(resources string) {
		_, err := g.UpdateContainer(g.ctx, &agentpb.UpdateContainerRequest{ContainerId: "few", Resources: []byte(resources)})
		g.must(err)
	}
	limit(`{"pids":{"limit":3}}`)
	for i := range 3 {
		g.want(g.exec("few", fmt.Sprintf("x%d", i), process("true")), call.Internal, "exec")
		var current uint64
		// The agent reaps behind its answer, and tells nobody.
		for range 50 {
			stats, err := g.StatsContainer(g.ctx, &agentpb.ContainerRequest{ContainerId: "few"})
			g.must(err)
			if current = stats.Pids.Current; current == 1 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if current != 1 {
			g.t.Fatalf("after a failed exec the container has %d processes", current)
		}
	}
	s := spec(shell(`grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null; true`)...)
	s.Linux.Namespaces = s.Linux.Namespaces[1:] // no pid namespace
	if out, _ := g.run("look", s); out != "" {
		g.t.Errorf("zombies in the guest: %s", out)
	}
	limit(`{"pids":{"limit":-1}}`)
	if out := g.runIn("few", "again", "echo", "again"); out != "again\n" {
		g.t.Errorf("printed %q", out)
	}
	g.remove("few")
}

// testExecAtTheEnd kills containers whose execs are slowly being started.
func testExecAtTheEnd(g *guest) {
	quota, period := int64(10000), uint64(100000)
	for i := range 12 {
		id := fmt.Sprintf("end%d", i)
		s := spec("sleep", "1000")
		g.must(g.create(id, s))
		g.start(id)
		_, err := g.UpdateContainer(g.ctx, &agentpb.UpdateContainerRequest{ContainerId: id,
			Resources: fmt.Appendf(nil, `{"cpu":{"quota":%d,"period":%d}}`, quota, period)})
		g.must(err)
		var wg sync.WaitGroup
		for j := range 3 {
			wg.Go(func() {
				for n := 0; g.exec(id, fmt.Sprintf("x%d-%d", j, n), process("true")) == nil; n++ {
				}
			})
		}
		// Each at another point of an exec's start, which nothing marks.
		time.Sleep(time.Duration(10+i*37) * time.Millisecond)
		_, err = g.SignalProcess(g.ctx, &agentpb.SignalProcessRequest{ContainerId: id, Signal: 9})
		g.must(err)
		ctx, cancel := context.WithTimeout(g.ctx, 20*time.Second)
		_, err = g.WaitProcess(ctx, &agentpb.ProcessRequest{ContainerId: id})
		cancel()
		if err != nil {
			g.t.Fatalf("%s was killed and has not ended: %v", id, err)
		}
		wg.Wait()
		g.remove(id)
	}
}
