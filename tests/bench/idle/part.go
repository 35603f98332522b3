// Package idle measures what a sandbox costs while nothing happens in it: the
// memory of one of the size that other VM runtimes have by default, and how
// often its processes wake up.
package idle

import (
	"context"
	"fmt"
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/variant"
)

// memoryMiB is the guest's memory for which the target is set.
const memoryMiB = 512

// window is how long wake-ups are counted, and quiet how long the guest may
// take before that to end what its start has begun (delayed work of its kernel).
const (
	window = 10 * time.Second
	quiet  = 5 * time.Second
)

// rounds of the long measurements.
const rounds = 3

// Part is the group "idle".
type Part struct {
	lab    *lab.Lab
	large  []*large
	awaken []*peer.Peer
}

// large is a kata-runtime whose guests have memoryMiB, and their floor.
type large struct {
	peer  *peer.Peer
	floor *floor.Floor
}

// Name, What: see lab.Part.
func (*Part) Name() string { return "idle" }
func (*Part) What() string { return "memory of an idle sandbox of 512 MiB, wake-ups" }

// Prepare admits the runtimes.
func (p *Part) Prepare(ctx context.Context, l *lab.Lab) error {
	p.lab = l
	for _, g := range l.Guests {
		if g.Peer.Name == report.Stock {
			continue // an idle guest translates nothing
		}
		k, err := l.NewKata(name(g.Peer.Name), g.Short+"-512", g.With(variant.Settings{"hypervisor.qemu.default_memory": memoryMiB}))
		if err != nil {
			return err
		}
		m := g.Machine
		m.MemoryMiB = memoryMiB
		f, err := l.Floor(ctx, m, "floor-512-"+g.Short)
		if err != nil {
			return err
		}
		p.large = append(p.large, &large{k, f})
		p.awaken = append(p.awaken, g.Peer)
	}
	return nil
}

func name(peer string) string { return peer + ", 512 MiB" }

// Jobs: see lab.Part.
func (p *Part) Jobs() []turn.Job {
	var jobs []turn.Job
	for _, k := range p.large {
		jobs = append(jobs, turn.Job{Name: k.peer.Name, Do: p.memory(k)})
	}
	for _, k := range p.awaken {
		jobs = append(jobs, turn.Job{Name: k.Name + ", wake-ups", Do: p.wakeUps(k), Rounds: rounds})
	}
	return jobs
}

const floorPSS = "pss of the floor"

func (p *Part) memory(k *large) func(context.Context, int) error {
	return func(ctx context.Context, round int) error {
		bare, err := k.floor.Serial(ctx)
		if err != nil {
			return err
		}
		p.lab.Samples.Add(footprint.Memory(k.peer.Name), floorPSS, float64(bare.PSS))
		return k.peer.Living(ctx, k.peer.ID("memory", round), p.lab.Bundles, func(id string) error {
			return footprint.Sample(ctx, p.lab.Samples, k.peer, id)
		})
	}
}

// Measures of wake-ups, by state of the container.
const (
	idle, paused = "idle", "paused"
	switched     = " switches"
	cpu          = " cpu"
)

func wake(peer string) string { return "wake-ups, " + peer }

func (p *Part) wakeUps(k *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error {
		return k.Living(ctx, k.ID("wake", round), p.lab.Bundles, func(id string) error {
			if err := p.count(ctx, k, id, idle); err != nil {
				return err
			}
			if _, err := k.Run(ctx, "pause", id); err != nil {
				return err
			}
			return p.count(ctx, k, id, paused)
		})
	}
}

// count counts for a while. This is a measurement over time, not a wait for
// something: nothing is expected to happen.
func (p *Part) count(ctx context.Context, k *peer.Peer, id, state string) error {
	processes, err := footprint.Processes(k.Root, id)
	if err != nil {
		return err
	}
	if err := pass(ctx, quiet); err != nil {
		return err
	}
	before, err := footprint.Active(processes)
	if err != nil {
		return err
	}
	if err := pass(ctx, window); err != nil {
		return err
	}
	after, err := footprint.Active(processes)
	if err != nil {
		return err
	}
	d := after.Since(before)
	p.lab.Samples.Add(wake(k.Name), state+switched, float64(d.Switches))
	p.lab.Samples.Add(wake(k.Name), state+cpu, d.CPU.Seconds())
	for role, n := range d.Of {
		p.lab.Samples.Add(wake(k.Name), state+switched+" "+role, float64(n))
	}
	return nil
}

func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Show: see lab.Part.
func (p *Part) Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot) {
	best := footprint.Memory(name(report.Tuned))
	if len(s.Measures(best)) == 0 {
		best = footprint.Memory(name(report.Debian))
	}
	target := report.OfMedian(s, "PSS of all host processes of an idle sandbox, cold, 512 MiB guest", series.Key{Peer: best, Measure: footprint.AllPSS}, 110<<20, report.MiBUnit)
	return []report.Target{target}, []report.Table{memoryTable(s), wakeTable(s)}, nil
}

func memoryTable(s *series.Set) report.Table {
	t := report.Table{Title: "Memory of one idle sandbox with a guest of 512 MiB", Head: []string{"MiB, median (min–max)", report.Tuned, report.Debian}}
	for _, m := range append(footprint.Measures, struct{ Name, What string }{floorPSS, "PSS of QEMU of its floor, when that answers on its serial port"}) {
		a := report.Cell(s, footprint.Memory(name(report.Tuned)), m.Name, report.MiB)
		b := report.Cell(s, footprint.Memory(name(report.Debian)), m.Name, report.MiB)
		if a != report.None || b != report.None {
			t.Add(m.What, a, b)
		}
	}
	return t
}

func wakeTable(s *series.Set) report.Table {
	t := report.Table{
		Title: "Wake-ups of a sandbox's host processes",
		Head:  []string{fmt.Sprintf("in %.0f s, median (min–max)", window.Seconds()), report.Tuned, report.Debian},
	}
	row := func(what, measure string, show report.Show) {
		a, b := report.Cell(s, wake(report.Tuned), measure, show), report.Cell(s, wake(report.Debian), measure, show)
		if a != report.None || b != report.None {
			t.Add(what, a, b)
		}
	}
	whole := func(v float64) string { return fmt.Sprintf("%.0f", v) }
	for _, state := range []string{idle, paused} {
		row("context switches, "+state, state+switched, whole)
		for _, role := range footprint.Roles() {
			row("of them "+role, state+switched+" "+role, whole)
		}
		row("CPU time in ms, "+state, state+cpu, report.MS)
	}
	return t
}
