package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/phase"
	"github.com/kata-go/kata-runtime/tests/bench/report"
)

// job is one thing that is measured once in a round.
type job struct {
	name string
	do   func(ctx context.Context, round int) error
}

// measure runs all jobs in turns. Each round begins with another job, so that
// none always follows the same one.
func (b *bench) measure(ctx context.Context) error {
	jobs := b.jobs()
	for round := range b.o.rounds {
		say("round %d of %d", round+1, b.o.rounds)
		for i := range jobs {
			j := jobs[(i+round)%len(jobs)]
			if err := j.do(ctx, round); err != nil {
				if ctx.Err() != nil {
					return fmt.Errorf("interrupted: %w", ctx.Err())
				}
				return fmt.Errorf("round %d: %s: %w", round+1, j.name, err)
			}
		}
	}
	return nil
}

func (b *bench) jobs() []job {
	var jobs []job
	if b.floor != nil {
		jobs = append(jobs, job{"floor", b.floorLine}, job{"floor, serial port", b.floorSerial})
	}
	for _, what := range []struct {
		name string
		do   func(p *peer.Peer) func(context.Context, int) error
	}{
		{"run", b.once}, {"life", b.life}, {"delete --force", b.force},
	} {
		for _, p := range b.peers {
			jobs = append(jobs, job{p.Name + ", " + what.name, what.do(p)})
		}
	}
	if b.kata != nil {
		jobs = append(jobs, job{"phases", b.phase})
	}
	return jobs
}

func (b *bench) note(p *peer.Peer) peer.Note {
	return func(measure string, seconds float64) { b.result.Samples.Add(p.Name, measure, seconds) }
}

func (b *bench) once(p *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error { return p.Once(ctx, round, b.bundles, b.note(p)) }
}

func (b *bench) force(p *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error { return p.Force(ctx, round, b.bundles, b.note(p)) }
}

func (b *bench) life(p *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error {
		var idle func(string) error
		if p == b.kata {
			idle = func(id string) error { return b.memory(ctx, id) }
		}
		return p.Life(ctx, round, b.bundles, b.note(p), idle)
	}
}

func (b *bench) floorLine(ctx context.Context, _ int) error {
	boot, err := b.floor.Line(ctx)
	if err != nil {
		return err
	}
	b.result.Samples.Add(report.Floor, report.FloorLine, boot.Line.Seconds())
	b.result.Samples.Add(report.Floor, report.FloorExit, boot.Exit.Seconds())
	return nil
}

func (b *bench) floorSerial(ctx context.Context, _ int) error {
	answer, err := b.floor.Serial(ctx)
	if err != nil {
		return err
	}
	b.result.Samples.Add(report.Floor, report.FloorSerial, answer.First.Seconds())
	b.result.Samples.Add(report.Floor, report.FloorPSS, float64(answer.PSS))
	return nil
}

// memory takes what an idle sandbox holds, on the host first: the guest's
// answer costs a process in it.
func (b *bench) memory(ctx context.Context, id string) error {
	processes, err := footprint.Processes(b.kata.Root, id)
	if err != nil {
		return err
	}
	sums := map[string]int64{}
	for pid, role := range processes {
		n, err := footprint.PSS(pid)
		if err != nil {
			return err
		}
		sums[role] += n
		sums[report.AllPSS] += n
	}
	sums[report.HelpersPSS] = sums[footprint.Shim] + sums[footprint.Proxy]
	for role, n := range sums {
		b.result.Samples.Add(report.Memory, role, float64(n))
	}
	r, err := b.kata.Run(ctx, "exec", id, "cat", "/proc/meminfo")
	if err != nil {
		return err
	}
	g, err := footprint.GuestMemory(r.Out)
	if err != nil {
		return err
	}
	b.result.Samples.Add(report.Memory, report.GuestUsed, float64(g.Used))
	b.result.Samples.Add(report.Memory, report.GuestTotal, float64(g.Total))
	return nil
}

// phase runs a container once more with the log of its parts. It is a run of
// its own, so that writing the log slows none of those that are timed.
func (b *bench) phase(ctx context.Context, round int) error {
	log := filepath.Join(b.dir, "phases.log")
	defer os.Remove(log)
	p := *b.kata
	p.Args = append(append([]string(nil), p.Args...), "--debug", "--log", log, "--log-format", "json")
	// Rounds count on, so that the id is no other run's.
	if err := p.Once(ctx, b.o.rounds+round, b.bundles, func(string, float64) {}); err != nil {
		return err
	}
	data, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	phases, err := phase.Read(bytes.NewReader(data))
	if err != nil {
		return err
	}
	for i, ph := range phases {
		b.result.Samples.Add(report.Phases, fmt.Sprintf("%02d %s", i, ph.Name), ph.Seconds)
	}
	return nil
}
