package resources

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// cpus answers what a group and the sandbox's below it have.
func cpus(t *testing.T, g *Group) string {
	t.Helper()
	var text []string
	for _, dir := range append([]string{g.Paths["cpuset"]}, cpusetsBelow(g.Paths["cpuset"])...) {
		got, err := cgroups.ReadFile(dir, "cpuset.cpus")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, strings.TrimSpace(got))
	}
	return strings.Join(text, " ")
}

func onlyCPUs(list string) *specs.LinuxResources {
	return &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: list}}
}

func TestCpusetBesideTheOldOne(t *testing.T) {
	g := create(t, place(t))
	if cgroups.IsCgroup2UnifiedMode() || runtime.NumCPU() < 2 {
		t.Skip("needs cpusets of cgroup v1 and two CPUs")
	}
	s, err := g.Below()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Remove(context.Background(), false)
	if _, err := g.Limit(onlyCPUs("0")); err != nil {
		t.Fatal(err)
	}
	warnings, undo, err := g.Relimit(onlyCPUs("1"))
	if got := cpus(t, g); err != nil || len(warnings) > 0 || got != "1 1" {
		t.Fatalf("%q, %v, %v", got, warnings, err)
	}
	if err := undo(); err != nil || cpus(t, g) != "0 0" {
		t.Errorf("%v: %q", err, cpus(t, g))
	}
}

func TestCpusetBeyondTheParents(t *testing.T) {
	path := place(t)
	g := create(t, path)
	if cgroups.IsCgroup2UnifiedMode() || runtime.NumCPU() < 2 {
		t.Skip("needs cpusets of cgroup v1 and two CPUs")
	}
	if _, err := g.Limit(onlyCPUs("0")); err != nil {
		t.Fatal(err)
	}
	parent := filepath.Dir(g.Paths["cpuset"])
	if err := os.WriteFile(filepath.Join(parent, "cpuset.cpus"), []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func() ([]string, error){
		"limit":   func() ([]string, error) { return g.Limit(onlyCPUs("1")) },
		"relimit": func() ([]string, error) { warnings, _, err := g.Relimit(onlyCPUs("1")); return warnings, err },
	} {
		warnings, err := set()
		if err == nil || len(warnings) > 0 || !strings.Contains(err.Error(), "permission denied") || cpus(t, g) != "0" {
			t.Errorf("%s: %v, %v, %q", name, warnings, err, cpus(t, g))
		}
	}
}
