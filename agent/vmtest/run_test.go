package vmtest

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

func TestContainerRuns(t *testing.T) {
	g := boot(t)
	details, err := g.GuestDetails(g.ctx, &agentpb.Empty{})
	g.must(err)
	var u unix.Utsname
	g.must(unix.Uname(&u))
	if host := unix.ByteSliceToString(u.Release[:]); details.Kernel == host || !details.AgentIsInit {
		t.Fatalf("guest details %+v: not a guest of its own (host kernel %s)", details, host)
	}
	g.sandbox()
	out, code := g.run("c1", spec(shell("echo hello from $(hostname); id -u; exit 7")...))
	if code != 7 || !strings.Contains(out, "hello from box\n0\n") {
		t.Errorf("printed %q, code %d", out, code)
	}
	if out, code := g.run("c2", spec("true")); code != 0 || out != "" {
		t.Errorf("true: printed %q, code %d", out, code)
	}
}
