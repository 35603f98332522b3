// Package crowd measures whether a sandbox's start and its memory depend on how
// many others run on the machine.
package crowd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/variant"
)

// counts are how many sandboxes there are when the last one starts.
var counts = []int{1, 10, 50, 100}

// fewCounts are those of a run that only tries the benchmark.
var fewCounts = []int{1, 3}

// memoryMiB of a guest, so that a hundred fit into a machine of 24 GiB: a booted
// one of them holds 135 MiB of the host's memory.
const memoryMiB = 128

// ways in which VMs are made, with the preferred kernel.
var ways = []string{"cold", "template"}

// Part is the group "crowd".
type Part struct {
	lab   *lab.Lab
	peers []*peer.Peer
}

// Name, What: see lab.Part.
func (*Part) Name() string { return "crowd" }
func (*Part) What() string { return "one more sandbox beside 99 others" }

func samples(way string) string { return "crowd, " + way }

func started(n int) string { return fmt.Sprintf("start %d", n) }
func memory(n int) string  { return fmt.Sprintf("memory %d", n) }

// Prepare makes the runtimes.
func (p *Part) Prepare(_ context.Context, l *lab.Lab) error {
	p.lab = l
	small := variant.Settings{"hypervisor.qemu.default_memory": memoryMiB}
	cloned := variant.Settings{
		"hypervisor.qemu.default_memory": memoryMiB,
		"factory.auto_template":          true, "factory.template_path": filepath.Join(l.Dir, "crowd-templates"),
	}
	for i, s := range []variant.Settings{small, cloned} {
		k, err := l.NewKata(samples(ways[i]), "crowd-"+strconv.Itoa(i), l.Guests[0].With(s))
		if err != nil {
			return err
		}
		if i == 1 {
			l.AtEnd(func(ctx context.Context) error {
				_, err := k.Run(ctx, "factory", "destroy")
				return err
			})
		}
		p.peers = append(p.peers, k)
	}
	return nil
}

// Jobs: see lab.Part. A crowd is made once in a run; how often its newest member
// starts is in it.
func (p *Part) Jobs() []turn.Job {
	var jobs []turn.Job
	for _, k := range p.peers {
		jobs = append(jobs, turn.Job{Name: k.Name, Rounds: 1, Do: func(ctx context.Context, _ int) error { return p.grow(ctx, k) }})
	}
	return jobs
}

// grow starts sandboxes one after the other. At each of the counts the last one
// is started and removed as often as there are rounds, half of it when the crowd
// has gone for the count of one, so that a machine that slows down meanwhile is
// seen in both.
func (p *Part) grow(ctx context.Context, k *peer.Peer) (err error) {
	at, alone := counts, p.lab.Rounds/2
	if p.lab.Few {
		at = fewCounts
	}
	// The first one makes the template, if there is to be one.
	if _, err := k.Run(ctx, "run", "--bundle", p.lab.Bundles.True, k.ID("first", 0)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Clean(context.WithoutCancel(ctx))) }()
	there := 0
	for _, n := range at {
		for ; there < n-1; there++ {
			if _, err := k.Run(ctx, "run", "--detach", "--bundle", p.lab.Bundles.Sleep, k.ID("member", there)); err != nil {
				return err
			}
		}
		times := p.lab.Rounds
		if n == 1 {
			times -= alone
		}
		for range times {
			if err := p.oneMore(ctx, k, n); err != nil {
				return err
			}
		}
	}
	if err := p.answers(ctx, k, there); err != nil {
		return err
	}
	if err := k.Clean(ctx); err != nil {
		return err
	}
	for range alone {
		if err := p.oneMore(ctx, k, 1); err != nil {
			return err
		}
	}
	return nil
}

// oneMore starts the nth sandbox, looks at the memory of all, and removes it.
func (p *Part) oneMore(ctx context.Context, k *peer.Peer, n int) error {
	id := k.ID("member", n-1)
	r, err := k.Run(ctx, "run", "--detach", "--bundle", p.lab.Bundles.Sleep, id)
	if err != nil {
		return err
	}
	p.lab.Samples.Add(k.Name, started(n), r.Wall.Seconds())
	var all int64
	for i := range n {
		pss, err := footprint.Sandbox(k.Root, k.ID("member", i))
		if err != nil {
			return err
		}
		all += pss
	}
	p.lab.Samples.Add(k.Name, memory(n), float64(all)/float64(n))
	_, err = k.Run(ctx, "delete", "--force", id)
	return err
}

// answers asks each member for an exec: one that is lost is an error.
func (p *Part) answers(ctx context.Context, k *peer.Peer, n int) error {
	for i := range n {
		if _, err := k.Run(ctx, "exec", k.ID("member", i), "true"); err != nil {
			return err
		}
	}
	return nil
}

// Show: see lab.Part.
func (p *Part) Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot) {
	t := report.Table{
		Title: "One more sandbox",
		Head:  []string{"sandboxes, the new one among them"},
		Note:  fmt.Sprintf("`run --detach` of the newest one, started one after the other, guests of %d MiB; each of the others answered an exec in the end. PSS of all host processes of all sandboxes, by their number.", memoryMiB),
	}
	for _, way := range ways {
		t.Head = append(t.Head, way+": start, ms", way+": PSS each, MiB")
	}
	for _, n := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(counts, fewCounts)))) {
		row := []string{strconv.Itoa(n)}
		for _, way := range ways {
			row = append(row, report.Cell(s, samples(way), started(n), report.MS), report.Cell(s, samples(way), memory(n), report.MiB))
		}
		if row[1] != report.None {
			t.Add(row...)
		}
	}
	var targets []report.Target
	last := counts[len(counts)-1]
	for _, way := range ways {
		a, b := series.Key{Peer: samples(way), Measure: started(last)}, series.Key{Peer: samples(way), Measure: started(1)}
		targets = append(targets, report.OfRatio(s, fmt.Sprintf("%s: start of sandbox %d, over that of the first", way, last), a, b, 1.2, report.Times))
	}
	return targets, []report.Table{t}, nil
}
