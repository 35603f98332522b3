package peer

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kata-go/kata-runtime/tests/bench/bundle"
)

// runc is a peer with bundles, or the test is skipped.
func runc(t *testing.T) (*Peer, Bundles, *bundle.Maker) {
	path, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("runc is not installed (apt-get install runc)")
	}
	if os.Geteuid() != 0 {
		t.Skip("runc needs root here")
	}
	p := &Peer{Name: "runc", Binary: path, Root: filepath.Join(t.TempDir(), "root"), Dir: t.TempDir()}
	m, err := bundle.New(t.Context(), t.TempDir(), path)
	if err != nil {
		t.Fatal(err)
	}
	var b Bundles
	if b.True, err = m.Make("true", "/bin/true"); err != nil {
		t.Fatal(err)
	}
	if b.Sleep, err = m.Make("sleep", "/bin/sleep", "1000"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// t.Context() has ended by now.
		if err := p.Clean(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p, b, m
}

func TestLifeNotesEachMeasureOnce(t *testing.T) {
	p, b, _ := runc(t)
	got := map[string]int{}
	note := func(measure string, seconds float64) {
		got[measure]++
		if seconds <= 0 {
			t.Errorf("%s took %v s", measure, seconds)
		}
	}
	if err := p.Once(t.Context(), 0, b, note); err != nil {
		t.Fatal(err)
	}
	idle := 0
	if err := p.Life(t.Context(), 0, b, note, func(string) error { idle++; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := p.Force(t.Context(), 0, b, note); err != nil {
		t.Fatal(err)
	}
	for _, m := range Measures {
		if got[m.Name] != 1 {
			t.Errorf("%s was noted %d times", m.Name, got[m.Name])
		}
	}
	if idle != 1 {
		t.Errorf("idle was called %d times", idle)
	}
	if left, err := p.left(); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCleanRemovesARunningContainer(t *testing.T) {
	p, b, _ := runc(t)
	stop := errors.New("stop here")
	err := p.Life(t.Context(), 0, b, func(string, float64) {}, func(string) error { return stop })
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if left, err := p.left(); err != nil || len(left) != 1 {
		t.Fatalf("left: %v, %v; want the one that runs", left, err)
	}
	if err := p.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := p.left(); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestFailureTellsWhatTheRuntimeSaid(t *testing.T) {
	p, _, _ := runc(t)
	_, err := p.Run(t.Context(), "start", "bench-none")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || len(err.Error()) < len("runc start bench-none: exit status 1: does not exist") {
		t.Errorf("start of a missing container: %v", err)
	}
}

func TestOutput(t *testing.T) {
	p, _, m := runc(t)
	dir, err := m.Make("cat", "/bin/cat", "/proc/sys/kernel/ostype")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := p.Output(t.Context(), dir); err != nil || out != "Linux" {
		t.Errorf("Output = %q, %v", out, err)
	}
}
