package vmtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// BenchmarkExec is an exec of true: started, ended, removed.
func BenchmarkExec(b *testing.B) {
	g := boot(b)
	g.sandbox()
	g.must(g.create("b", spec("sleep", "1000")))
	g.start("b")
	n := 0
	for b.Loop() {
		n++
		id := fmt.Sprintf("x%d", n)
		g.must(g.exec("b", id, process("true")))
		g.wait("b", id)
		_, err := g.RemoveProcess(g.ctx, &agentpb.ProcessRequest{ContainerId: "b", ExecId: id})
		g.must(err)
	}
}

// BenchmarkRun is a container of true in a guest that runs: created, started,
// ended, removed; and each part of that alone.
func BenchmarkRun(b *testing.B) {
	g := boot(b)
	g.sandbox()
	parts := map[string]time.Duration{}
	n := 0
	for b.Loop() {
		n++
		id := fmt.Sprintf("c%d", n)
		for _, part := range []struct {
			name string
			do   func()
		}{
			{"create", func() { g.must(g.create(id, spec("true"))) }},
			{"start", func() { g.start(id) }},
			{"end", func() { g.wait(id, "") }},
			{"remove", func() { g.remove(id) }},
		} {
			begin := time.Now()
			part.do()
			parts[part.name] += time.Since(begin)
		}
	}
	for name, total := range parts {
		b.ReportMetric(float64(total.Microseconds())/1000/float64(n), name+"-ms/op")
	}
}

// BenchmarkHello is the boot of a guest, up to its first answer.
func BenchmarkHello(b *testing.B) {
	for b.Loop() {
		g := boot(b)
		g.qemu.Process.Kill()
	}
}

// BenchmarkOutput moves a container's output to the host.
func BenchmarkOutput(b *testing.B) {
	g := boot(b)
	g.sandbox()
	b.SetBytes(bulk)
	n := 0
	for b.Loop() {
		n++
		id := fmt.Sprintf("c%d", n)
		g.must(g.create(id, spec(shell("dd if=/dev/zero bs=64k count=%d 2>/dev/null", bulk/(64<<10))...)))
		g.start(id)
		left := &limited{left: bulk}
		g.must(g.attach(id, "", agentpb.Stream_STDOUT, 0).CopyTo(left))
		if left.left != 0 {
			b.Fatalf("%d bytes are missing", left.left)
		}
		g.remove(id)
	}
}
