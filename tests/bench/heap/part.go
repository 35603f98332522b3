// Package heap measures what the garbage collector's pace (GOGC) of the helpers
// and of the agent costs and saves: memory after some work, and an exec's time.
package heap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/variant"
)

// pace is when heaps are collected: the helpers have it from their build (make
// bench, which names the folder the same), the agent from its kernel's command line.
type pace struct{ folder, params string }

// paces are those that are compared. Go's own is a GOGC of 100, the helpers' 50.
// The limits are about twice what a helper and the agent hold when idle.
var paces = []pace{
	{"25", "GOGC=25"}, {"50", "GOGC=50"}, {"100", "GOGC=100"}, {"400", "GOGC=400"},
	{"limit", "GOGC=off GOMEMLIMIT=16MiB"},
}

// Work before the memory is looked at: what an engine does with a container
// that lives a while.
const (
	execs = 10
	mib   = 16
)

// Part is the group "heap".
type Part struct {
	lab   *lab.Lab
	peers []*peer.Peer
}

// Name, What: see lab.Part.
func (*Part) Name() string { return "heap" }
func (*Part) What() string {
	return "memory of helpers and agent by the pace of their garbage collector"
}

// Prepare makes a runtime for each pace.
func (p *Part) Prepare(_ context.Context, l *lab.Lab) error {
	p.lab = l
	if l.Heaps == "" {
		return errors.New("no helpers are built for it (make bench builds them, -heaps names them)")
	}
	for _, way := range paces {
		dir, err := filepath.Abs(filepath.Join(l.Heaps, way.folder))
		if err != nil {
			return err
		}
		s := variant.Settings{"hypervisor.qemu.kernel_params": way.params}
		for key, file := range map[string]string{"shim.kata.path": "kata-shim", "proxy.kata.path": "kata-proxy"} {
			path := filepath.Join(dir, file)
			if _, err := os.Stat(path); err != nil {
				return err
			}
			s[key] = path
		}
		k, err := l.NewKata(way.params, "gogc-"+way.folder, l.Guests[0].With(s))
		if err != nil {
			return err
		}
		p.peers = append(p.peers, k)
	}
	return nil
}

// Jobs: see lab.Part.
func (p *Part) Jobs() []turn.Job {
	var jobs []turn.Job
	for _, k := range p.peers {
		jobs = append(jobs, turn.Job{Name: k.Name, Do: func(ctx context.Context, round int) error {
			return k.Living(ctx, k.ID("heap", round), p.lab.Bundles, func(id string) error { return p.measure(ctx, k, id) })
		}})
	}
	return jobs
}

// An exec's mean time in a round, in seconds.
const execTime = "exec"

func (p *Part) measure(ctx context.Context, k *peer.Peer, id string) error {
	var all time.Duration
	for range execs {
		r, err := k.Run(ctx, "exec", id, "true")
		if err != nil {
			return err
		}
		all += r.Wall
	}
	p.lab.Samples.Add(footprint.Memory(k.Name), execTime, all.Seconds()/execs)
	r, err := k.Run(ctx, "exec", id, "busybox", "dd", "if=/dev/zero", "bs=64k", fmt.Sprintf("count=%d", mib*16))
	if err != nil {
		return err
	}
	if len(r.Out) != mib<<20 {
		return fmt.Errorf("%s: %d bytes of %d came out", k.Name, len(r.Out), mib<<20)
	}
	return footprint.Sample(ctx, p.lab.Samples, k, id)
}

// Show: see lab.Part.
func (p *Part) Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot) {
	t := report.Table{
		Title: "Pace of the garbage collector", Head: []string{"median (min–max)"},
		Note: fmt.Sprintf("Medians, after %d execs and %d MiB of output; GOGC of shim, proxy and agent; the last column has a limit only, of 8 MiB in the helpers. The runtime has 50 in the helpers and 100, Go's own, in the agent, and no limit.", execs, mib),
	}
	for _, way := range paces {
		t.Head = append(t.Head, way.params)
	}
	for _, m := range []struct {
		measure, what string
		show          report.Show
	}{
		{footprint.Proxy, "PSS of the proxy, MiB", report.MiB},
		{footprint.Shim, "PSS of the shim, MiB", report.MiB},
		{footprint.GuestUsed, "used in the guest, MiB", report.MiB},
		{footprint.AllPSS, "PSS of all host processes, MiB", report.MiB},
		{execTime, "`exec true`, ms", report.MS},
	} {
		row := []string{m.what}
		for _, way := range paces {
			row = append(row, report.Cell(s, footprint.Memory(way.params), m.measure, m.show))
		}
		if row[1] != report.None {
			t.Add(row...)
		}
	}
	return nil, []report.Table{t}, nil
}
