// Package lab is what the benchmark's parts share: where they work, which
// runtimes and guests there are, and where samples go.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/bundle"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/variant"
)

// Options are what the command line says.
type Options struct {
	Rounds int
	// Few: this only tries the benchmark itself, and parts may do with less.
	Few bool
	// Kata is kata-runtime, Config its configuration; empty for the installed one.
	Kata, Config string
	// Runc, Crun and Runsc are the peers' binaries; empty for none.
	Runc, Crun, Runsc string
	// Heaps has a folder for each pace of the garbage collector (GOGC) with a
	// kata-shim and a kata-proxy of that pace; empty for none.
	Heaps string
}

// Lab is one run. Its parts use it one after the other.
type Lab struct {
	Options
	// Dir is the run's folder. It goes with its end.
	Dir string
	// Guests are what kata-runtime can boot here, the preferred one first.
	Guests  []*Guest
	Bundles peer.Bundles
	Samples *series.Set
	// Result is the report in the making: until Begin, what holds for all parts.
	Result *report.Result

	common  *report.Result
	base    string
	maker   *bundle.Maker
	uname   string
	peers   []*peer.Peer
	cleanup []func(context.Context) error
}

// Say tells the person who waits what goes on.
func Say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// New makes a lab in the folder dir and finds out what kata-runtime boots. The
// caller closes it, also after an error.
func New(ctx context.Context, o Options, dir string) (*Lab, error) {
	common := &report.Result{Rounds: o.Rounds, Machine: report.DescribeMachine()}
	l := &Lab{Options: o, Dir: dir, Result: common, Samples: &common.Samples, common: common}
	var err error
	if l.Kata, err = Find(o.Kata); err != nil {
		return l, fmt.Errorf("kata-runtime: %w", err)
	}
	if l.base, err = variant.Base(o.Config); err != nil {
		return l, err
	}
	if err := l.makeBundles(ctx); err != nil {
		return l, err
	}
	return l, l.findGuests(ctx)
}

// Begin makes a report for a part, with what holds for all of them and samples of
// its own.
func (l *Lab) Begin(p Part) *report.Result {
	m := l.Guests[0].Machine
	r := &report.Result{
		Part: p.Name(), What: p.What(), Date: time.Now().UTC(), Rounds: l.Rounds, Machine: l.common.Machine,
		VM:       fmt.Sprintf("machine type %s, accelerator %s, %d MiB, %d vCPU", m.Type, m.Accelerator, m.MemoryMiB, m.VCPUs),
		Versions: slices.Clone(l.common.Versions), LeftOut: slices.Clone(l.common.LeftOut),
	}
	r.Machine.LoadBefore = report.Load()
	l.Result, l.Samples = r, &r.Samples
	return r
}

// Find answers a binary's absolute path, or why there is none.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("not installed: %w", err)
	}
	return filepath.Abs(path)
}

func (l *Lab) makeBundles(ctx context.Context) error {
	dir := filepath.Join(l.Dir, "bundles")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	var err error
	if l.maker, err = bundle.New(ctx, dir, l.Kata); err != nil {
		return err
	}
	if l.Bundles.True, err = l.maker.Make("true", "/bin/true"); err != nil {
		return err
	}
	if l.Bundles.Sleep, err = l.maker.Make("sleep", "/bin/sleep", "1000000"); err != nil {
		return err
	}
	l.uname, err = l.maker.Make("uname", "/bin/uname", "-r")
	return err
}

// Bundles of a part's own: see bundle.Maker.
func (l *Lab) Maker() *bundle.Maker { return l.maker }

// LeaveOut notes that something is not measured.
func (l *Lab) LeaveOut(name string, err error) {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	Say("left out: %s: %s", name, text)
	l.Result.LeftOut = append(l.Result.LeftOut, report.LeftOut{Name: name, Reason: text})
}

// AtEnd has f called when the lab is closed, before the folder goes; what was
// asked for last is done first.
func (l *Lab) AtEnd(f func(context.Context) error) { l.cleanup = append(l.cleanup, f) }

// Note answers what takes a peer's samples.
func (l *Lab) Note(p *peer.Peer) peer.Note {
	return func(measure string, seconds float64) { l.Samples.Add(p.Name, measure, seconds) }
}

// Close removes what is left of containers and of parts. The folder stays if
// that fails: it says what is left.
func (l *Lab) Close(ctx context.Context) error {
	var errs []error
	for _, p := range l.peers {
		errs = append(errs, p.Clean(ctx))
	}
	for _, f := range slices.Backward(l.cleanup) {
		errs = append(errs, f(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Clean(l.Dir))
}
