package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
)

// A creator was killed between making its cgroup and noting that, or
// before it made the group, and another container did.
func TestRemovePlannedCgroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("cgroups need root")
	}
	_, dir := podOf(t)
	for name, own := range map[string]bool{"own": true, "another": false, "own of a sandbox": true, "another of a sandbox": false} {
		path := fmt.Sprintf("/kata-test-%d-planned/%s", os.Getpid(), strings.ReplaceAll(name, " ", "-"))
		planned, err := resources.Plan(path, false)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sleep", "1000")
		if own {
			cmd.Env = []string{proc.Mark(dir.Path)}
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		made, warnings, err := resources.Create(path, false, cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if len(warnings) > 0 {
			t.Skipf("no cgroups here: %v", warnings)
		}
		defer made.Remove(t.Context(), true)
		h, err := proc.Of(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		remove := func() error { return (&Container{ID: name, Cgroup: planned}).removeCgroup(t.Context(), dir) }
		if strings.HasSuffix(name, "sandbox") {
			remove = func() error { return (&Cgroups{Container: planned}).remove(t.Context(), dir) }
		}
		if err := remove(); err != nil {
			t.Error(err)
		}
		if h.Alive() == own {
			t.Errorf("%s process lives: %v", name, !own)
		}
		for _, dir := range made.Paths {
			if _, err := os.Stat(dir); (err == nil) == own {
				t.Errorf("%s: %s (%v)", name, dir, err)
			}
		}
	}
}
