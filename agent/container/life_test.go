package container

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent/process"
)

// group is a cgroup that notes how often it is frozen and thawed.
type group struct {
	cgroups.Manager
	frozen []cgroups.FreezerState
	// slow: a process in it cannot be frozen in time.
	slow bool
}

var errSlow = errors.New("timeout")

func (g *group) Freeze(to cgroups.FreezerState) error {
	g.frozen = append(g.frozen, to)
	if g.slow && to == cgroups.Frozen {
		return errSlow
	}
	return nil
}

type reaper struct{ *exec.Cmd }

func (r reaper) Wait() (*os.ProcessState, error) {
	err := r.Cmd.Wait()
	return r.ProcessState, err
}

// A host that was killed before it noted that the guest has done what it asked
// for asks again.
func TestWhatIsSoAlreadyIsNoError(t *testing.T) {
	stdio, err := process.NewStdio(false)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "1000")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdio.Stdin, stdio.Stdout, stdio.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := process.New(cmd.Process.Pid, reaper{cmd}, stdio, func(*process.Exit) {})
	if err != nil {
		t.Fatal(err)
	}
	end := func() {
		p.Signal(unix.SIGKILL)
		<-p.Done()
	}
	defer p.Remove()
	defer end()
	g := &group{}
	c := &Container{ID: "c", log: slog.New(slog.DiscardHandler), cgroup: g, init: p}
	began := func() error { c.started = true; return nil }
	refused := func() error {
		if err := c.Start(); !errors.Is(err, ErrState) {
			return fmt.Errorf("not refused: %w", err)
		}
		return nil
	}
	for _, step := range []struct {
		verb string
		do   func() error
		then State
	}{
		{"pause", c.Pause, Paused}, {"start", refused, Paused}, {"resume", c.Resume, Created}, {"resume", c.Resume, Created},
		{"its start", began, Running},
		{"start", c.Start, Running}, {"resume", c.Resume, Running},
		{"pause", c.Pause, Paused}, {"pause", c.Pause, Paused},
		{"resume", c.Resume, Running}, {"resume", c.Resume, Running},
	} {
		if err := step.do(); err != nil || c.State() != step.then {
			t.Errorf("%s: %v, it is %s", step.verb, err, c.State())
		}
	}
	g.slow = true
	if err := c.Pause(); !errors.Is(err, errSlow) || c.State() != Running {
		t.Errorf("pause of what cannot be frozen: %v, it is %s", err, c.State())
	}
	if want := []cgroups.FreezerState{
		cgroups.Frozen, cgroups.Thawed, cgroups.Frozen, cgroups.Thawed, cgroups.Frozen, cgroups.Thawed}; !slices.Equal(g.frozen, want) {
		t.Errorf("the group became %v", g.frozen)
	}
	end()
	for verb, do := range map[string]func() error{"start": c.Start, "pause": c.Pause, "resume": c.Resume} {
		if err := do(); !errors.Is(err, ErrState) {
			t.Errorf("%s of what has ended: %v", verb, err)
		}
	}
}
