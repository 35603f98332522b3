package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/internal/proc"
)

func TestPIDsOf(t *testing.T) {
	proxy, err := proc.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// A shim as those of the command line: in a pid namespace of its own.
	shim := func() *Container {
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		h, err := proc.Of(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return &Container{Shim: h, PID: h.PID}
	}
	with := func(c *Container, pids PIDs) *Container { c.PIDs = pids; return c }
	// A container that a service stands for, which tells engines the proxy's pid.
	served := func(pids PIDs) *Container { return &Container{Service: proxy, PID: proxy.PID, PIDs: pids} }
	infra := func(c *Container) *Container { c.Infra = true; return c }
	path := func(c *Container) string { return fmt.Sprintf("/proc/%d/ns/pid", c.PID) }

	a, b, pause := shim(), shim(), infra(shim())
	ended := served("")
	ended.Ended = true
	gone := &Container{PID: a.PID}
	pinned := fmt.Sprintf("/proc/%d/ns/../ns/pid", pause.PID)
	for name, c := range map[string]struct {
		containers map[string]*Container // "s" is the sandbox's first
		path       string                // empty: of its own; "host": none is named
		want       PIDs
		fails      string
	}{
		"its own":                          {map[string]*Container{"s": pause, "a": a}, "", "", ""},
		"the host's":                       {map[string]*Container{"s": pause, "a": a}, "host", ofSandbox, ""},
		"the pod's":                        {map[string]*Container{"s": pause, "a": a}, path(pause), ofSandbox, ""},
		"the pod's, pinned":                {map[string]*Container{"s": pause, "a": a}, pinned, ofSandbox, ""},
		"a member's":                       {map[string]*Container{"s": pause, "a": a, "b": b}, path(b), "container:b", ""},
		"that of one who has a's":          {map[string]*Container{"s": pause, "a": a, "b": with(shim(), "container:a")}, "b", "container:a", ""},
		"that of one who has the pod's":    {map[string]*Container{"s": pause, "a": with(shim(), ofSandbox)}, "a", ofSandbox, ""},
		"docker's network and pid of s":    {map[string]*Container{"s": a}, path(a), "container:s", ""},
		"docker's, of a container outside": {map[string]*Container{"s": a}, path(b), "", ""},
		"served: the pod's":                {map[string]*Container{"s": infra(served("")), "a": served(ofSandbox)}, path(served("")), ofSandbox, ""},
		"served: the pod's first":          {map[string]*Container{"s": infra(served(""))}, path(served("")), ofSandbox, ""},
		"served: the only member's":        {map[string]*Container{"s": infra(served("")), "a": served(""), "b": served("container:a")}, path(served("")), "container:a", ""},
		"served, pinned":                   {map[string]*Container{"s": infra(served("")), "a": served("")}, "/proc/self/ns/pid", "container:a", ""},
		"served: the only one that runs":   {map[string]*Container{"s": infra(served("")), "a": served(""), "b": ended}, path(served("")), "container:a", ""},
		"served: who knows whose":          {map[string]*Container{"s": infra(served("")), "a": served(""), "b": served("")}, path(served("")), "", "any of the containers a, b"},
		"of one that has ended":            {map[string]*Container{"s": pause, "a": gone}, path(gone), "", "container a, whose it was, has ended"},
		"not there":                        {map[string]*Container{"s": pause}, "/proc/self/ns/none", "", "no such file"},
	} {
		spec := &specs.Spec{Linux: &specs.Linux{}}
		if named := c.containers[c.path]; named != nil {
			c.path = path(named)
		}
		if c.path != "host" {
			spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.PIDNamespace, Path: c.path}}
		}
		st := &State{ID: "s", Containers: c.containers}
		got, err := st.pidsOf(spec)
		if got != c.want || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %q, %v; want %q %s", name, got, err, c.want, c.fails)
		}
	}
}
