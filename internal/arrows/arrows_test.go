// Package arrows holds the test that keeps the packages' dependencies as
// docs/architecture.md draws them.
package arrows

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/kata-go/kata-runtime/"

// allowed names, for each top folder, the folders of ours that it may import
// besides itself. Tests may import more.
var allowed = map[string][]string{
	"cli":            {"oci", "config", "virtcontainers", "agent-protocol", "internal"},
	"shim":           {"agent-protocol", "internal"},
	"proxy":          {"agent-protocol", "internal"},
	"agent":          {"agent-protocol", "internal"},
	"agent-ctl":      {"agent-protocol", "internal"},
	"agent-protocol": {"internal"},
	"config":         {"virtcontainers", "internal"},
	"oci":            {"internal"},
	"virtcontainers": {"agent-protocol", "internal", "oci"},
	"osbuilder":      {},
	"internal":       {},
	"tests":          {"agent-protocol", "internal", "virtcontainers", "oci", "config"},
}

func TestArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 5 {
		t.Fatalf("only %d packages", len(lines))
	}
	for _, line := range lines {
		words := strings.Fields(line)
		for _, bad := range wrong(words[0], words[1:]) {
			t.Error(bad)
		}
	}
}

// wrong answers what is forbidden about a package's imports.
func wrong(pkg string, imports []string) []string {
	var bad []string
	from, _, _ := strings.Cut(strings.TrimPrefix(pkg, module), "/")
	may, known := allowed[from]
	if !known {
		return []string{pkg + ": the folder " + from + " is not drawn in docs/architecture.md"}
	}
	for _, imported := range imports {
		path, ours := strings.CutPrefix(imported, module)
		if !ours {
			continue
		}
		to, _, _ := strings.Cut(path, "/")
		fine := to == from
		for _, m := range may {
			fine = fine || to == m
		}
		if !fine {
			bad = append(bad, pkg+" must not import "+imported)
		}
		// Only the sandbox knows all the parts.
		if from == "virtcontainers" && path == "virtcontainers/sandbox" && pkg != module+"virtcontainers/sandbox" &&
			!strings.HasPrefix(pkg, module+"virtcontainers/sandbox/") {
			bad = append(bad, pkg+" must not know the sandbox")
		}
	}
	return bad
}

func TestWrong(t *testing.T) {
	for _, test := range []struct {
		pkg, imported string
		bad           bool
	}{
		{"cli", "virtcontainers/sandbox", false},
		{"agent/boot", "agent-protocol/wire", false},
		{"agent/boot", "virtcontainers/hypervisor", true},
		{"agent-protocol/dial", "internal/sock", false},
		{"agent-protocol/wire", "agent/boot", true},
		{"virtcontainers/share", "virtcontainers/sandbox", true},
		{"virtcontainers/share", "cli", true},
		{"nowhere", "internal/proc", true},
		{"osbuilder", "osbuilder/cpio", false},
	} {
		if got := wrong(module+test.pkg, []string{module + test.imported, "fmt"}); (len(got) > 0) != test.bad {
			t.Errorf("%s -> %s: %v", test.pkg, test.imported, got)
		}
	}
}
