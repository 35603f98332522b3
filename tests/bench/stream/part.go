// Package stream measures what a process's standard streams move through a
// sandbox, beside what the same guest's bare serial port moves.
package stream

import (
	"context"
	"fmt"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
)

// Part is the group "streams": all through one container.
type Part struct {
	lab   *lab.Lab
	kata  *peer.Peer
	id    string
	floor *floor.Floor
	bytes int64
}

// who names the samples of the container's processes, port those of the bare port.
const who, port = "streams", "streams, bare port"

// The measures; a name with cpu is the CPU time of a process while moving.
const (
	out, in, both = "out", "in", "both ways"
	// pipe is two programs in the container with a pipe between them, and nothing
	// of ours: what a process's stream costs the guest before it gets to us.
	pipe = "pipe"
	cpu  = " cpu "
)

// Name, What: see lab.Part.
func (*Part) Name() string { return "streams" }
func (*Part) What() string { return "standard streams beside the bare serial port" }

// Prepare starts the container.
func (p *Part) Prepare(ctx context.Context, l *lab.Lab) (err error) {
	p.lab, p.bytes = l, 64<<20
	if l.Few {
		p.bytes = 8 << 20
	}
	g := l.Guests[0]
	if p.floor, err = l.Floor(ctx, g.Machine, "floor-streams"); err != nil {
		return err
	}
	if p.kata, err = l.NewKata(who, "streams", g.Settings); err != nil {
		return err
	}
	p.id = p.kata.ID("life", 0)
	_, err = p.kata.Begin(ctx, p.id, l.Bundles, func(string, float64) {})
	return err
}

// Jobs: see lab.Part.
func (p *Part) Jobs() []turn.Job {
	jobs := []turn.Job{{Name: port, Do: func(ctx context.Context, _ int) error {
		r, err := p.floor.Stream(ctx, p.bytes)
		if err == nil {
			p.lab.Samples.Add(port, out, r.Out)
			p.lab.Samples.Add(port, in, r.In)
		}
		return err
	}}}
	for _, way := range []string{out, in, both, pipe} {
		jobs = append(jobs, turn.Job{Name: who + ", " + way, Do: func(ctx context.Context, _ int) error { return p.move(ctx, way) }})
	}
	return jobs
}

// move moves the bytes and notes how fast, and which CPU time that took.
func (p *Part) move(ctx context.Context, way string) error {
	before, err := p.cpu()
	if err != nil {
		return err
	}
	rate, err := p.exec(ctx, way)
	if err != nil {
		return err
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	p.lab.Samples.Add(who, way, rate)
	for role, t := range after {
		p.lab.Samples.Add(who, way+cpu+role, (t - before[role]).Seconds())
	}
	return nil
}

// Show: see lab.Part.
func (p *Part) Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot) {
	t := report.Table{
		Title: "Standard streams", Head: []string{"MB/s, median (min–max)", "out of a process", "into it", "both ways"},
		Note: "64 MiB each time, with `dd` in the container in blocks of 64 KiB; the start and the end of the process do not count. Each byte goes through a pipe and the port, by one CPU: what is allowed is the two one after the other. CPU time in ms, while the bytes move; \"guest\" is QEMU's thread of the guest's CPU.",
	}
	add := func(what string, show report.Show, keys ...series.Key) {
		row, some := []string{what}, false
		for _, k := range keys {
			cell := report.Cell(s, k.Peer, k.Measure, show)
			row, some = append(row, cell), some || cell != report.None
		}
		if some {
			t.Add(row...)
		}
	}
	ways := []string{out, in, both}
	of := func(peer, suffix string) (keys []series.Key) {
		for _, way := range ways {
			keys = append(keys, series.Key{Peer: peer, Measure: way + suffix})
		}
		return keys
	}
	mb := func(v float64) string { return report.Number(v / 1e6) }
	add("bare port", mb, of(port, "")...)
	add("pipe between two programs in the guest", mb, series.Key{Peer: who, Measure: pipe}, series.Key{Peer: who, Measure: pipe})
	add("a process's streams", mb, of(who, "")...)
	var targets []report.Target
	shares, allowed := []string{"of what port and pipe one after the other allow"}, false
	for _, way := range ways[:2] {
		stream, bare, piped := series.Key{Peer: who, Measure: way}, series.Key{Peer: port, Measure: way}, series.Key{Peer: who, Measure: pipe}
		target := report.OfRatio(s, "standard streams, "+way+": speed, of the bare port's", stream, bare, 0.5, report.Share)
		target.AtLeast = true
		targets = append(targets, target)
		a, there := s.Of(bare.Peer, bare.Measure)
		b, there2 := s.Of(piped.Peer, piped.Measure)
		got, there3 := s.Of(stream.Peer, stream.Measure)
		share := report.None
		if there && there2 && there3 {
			share, allowed = fmt.Sprintf("%.2f", got.Median*(1/a.Median+1/b.Median)), true
		}
		shares = append(shares, share)
	}
	if allowed {
		t.Add(shares...)
	}
	for _, role := range []string{guest, footprint.QEMU, footprint.Proxy} {
		add("CPU time, "+role, report.MS, of(who, cpu+role)...)
	}
	for i, row := range t.Rows {
		for len(row) < len(t.Head) {
			row = append(row, report.None)
		}
		t.Rows[i] = row
	}
	return targets, []report.Table{t}, nil
}
