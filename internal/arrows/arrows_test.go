// Package arrows holds the test that keeps the packages' dependencies as
// docs/architecture.md draws them.
package arrows

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kata-go/kata-runtime/"

// arrows say which folders the packages of a folder may import, as in
// docs/architecture.md. A folder stands for all packages in it; of several
// that fit, the longest is meant. Packages of one folder may import each other
// unless the folder is virtcontainers, whose parts have entries of their own.
var arrows = map[string][]string{
	"internal":       {},
	"agent-protocol": {"internal"},
	// The guest's side and the host's helpers know the protocol alone.
	"agent": {"agent-protocol", "internal"},
	"shim":  {"agent-protocol", "internal"},
	"proxy": {"agent-protocol", "internal"},
	// It relays a process as the shim does, by the same code.
	"agent-ctl": {"shim/relay", "agent-protocol", "internal"},

	"oci":                       {"internal"},
	"virtcontainers/state":      {"internal"},
	"virtcontainers/hypervisor": {"agent-protocol", "internal"},
	"virtcontainers/share":      {"agent-protocol", "internal"},
	"virtcontainers/network":    {"agent-protocol", "internal"},
	"virtcontainers/resources":  {"agent-protocol", "internal"},
	"virtcontainers/volume":     {"internal"},
	"virtcontainers/emptydir":   {"internal"},
	// What a factory makes are the hypervisor's VMs.
	"virtcontainers/factory":   {"virtcontainers/hypervisor", "agent-protocol", "internal"},
	"virtcontainers/container": {"oci", "virtcontainers/hypervisor", "virtcontainers/share", "virtcontainers/network", "virtcontainers/resources", "virtcontainers/factory", "virtcontainers/state", "agent-protocol", "internal"},
	// Only the sandbox knows all the parts.
	"virtcontainers/sandbox": {"oci", "virtcontainers", "agent-protocol", "internal"},
	// The structs of the settings belong to who uses them.
	"config": {"virtcontainers", "internal"},
	"cli":    {"config", "oci", "virtcontainers", "agent-protocol", "internal"},
	// One process per pod: it relays each process by the shim's code.
	"containerd-shim-v2": {"config", "oci", "virtcontainers", "shim/relay", "shim/forward", "shim/clock", "agent-protocol", "internal"},
	"osbuilder":          {"internal"},
	"packaging":          {}, // tests of its scripts
	"tests":              {"osbuilder", "agent-protocol", "config", "oci", "virtcontainers", "internal"},
}

// folder answers the entry of arrows that a package belongs to.
func folder(pkg string) string {
	best := ""
	for f := range arrows {
		if (pkg == f || strings.HasPrefix(pkg, f+"/")) && len(f) > len(best) {
			best = f
		}
	}
	return best
}

// wrongArrow says what is wrong with an import, or "".
func wrongArrow(from, to string) string {
	mine, theirs := folder(from), folder(to)
	switch {
	case mine == "":
		return from + " is in no folder of docs/architecture.md: add it there and here"
	case mine == theirs:
		return ""
	case slices.ContainsFunc(arrows[mine], func(f string) bool { return to == f || strings.HasPrefix(to, f+"/") }):
		return ""
	}
	return from + " must not import " + to
}

func TestArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		pkgs := strings.Fields(line)
		from := strings.TrimPrefix(pkgs[0], module)
		// A package without imports needs its folder too.
		for _, to := range append(pkgs[1:], pkgs[0]) {
			if to, ours := strings.CutPrefix(to, module); ours {
				n++
				if wrong := wrongArrow(from, to); wrong != "" {
					t.Error(wrong)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d imports looked at: does go list work here?", n)
	}
}

func TestWrongArrows(t *testing.T) {
	for _, test := range []struct {
		from, to string
		right    bool
	}{
		{"cli", "config", true},
		{"cli", "agent", false},
		{"cli", "agent-protocol/dial", true},
		{"config", "cli", false},
		{"agent/run", "agent/mount", true},
		{"agent", "virtcontainers/share", false},
		{"agent", "agent-protocol/wire", true},
		{"virtcontainers/share", "virtcontainers/network", false},
		{"virtcontainers/container", "virtcontainers/sandbox", false},
		{"virtcontainers/sandbox", "virtcontainers/container", true},
		{"internal/sock", "internal/proc", true},
		{"internal/sock", "agent-protocol/wire", false},
		{"elsewhere", "internal/sock", false},
	} {
		if got := wrongArrow(test.from, test.to); (got == "") != test.right {
			t.Errorf("%s -> %s: %q", test.from, test.to, got)
		}
	}
}
