package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/phase"
)

// Measures of the floors, and of clones beside each other. Those of runtimes
// are peer.Measures, those of memory footprint's.
const (
	floorLine   = "first line"
	floorExit   = "power-off"
	floorSerial = "first byte on a serial port"
	floorPSS    = "pss"
	answered    = "answer"
	added       = "added by a second clone"
)

func (p *Part) once(who *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error {
		return who.Once(ctx, round, p.lab.Bundles, p.lab.Note(who))
	}
}

func (p *Part) force(who *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error {
		return who.Force(ctx, round, p.lab.Bundles, p.lab.Note(who))
	}
}

func (p *Part) life(who *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error {
		return who.Life(ctx, round, p.lab.Bundles, p.lab.Note(who), p.idle(ctx, who))
	}
}

func (p *Part) floorLine(f *bare) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		boot, err := f.Line(ctx)
		if err != nil {
			return err
		}
		p.lab.Samples.Add(f.name, floorLine, boot.Line.Seconds())
		p.lab.Samples.Add(f.name, floorExit, boot.Exit.Seconds())
		return nil
	}
}

func (p *Part) floorSerial(f *bare) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		answer, err := f.Serial(ctx)
		if err != nil {
			return err
		}
		p.lab.Samples.Add(f.name, floorSerial, answer.First.Seconds())
		p.lab.Samples.Add(f.name, floorPSS, float64(answer.PSS))
		return nil
	}
}

func (p *Part) restore(ctx context.Context, _ int) error {
	c, err := p.saved.Restore(ctx)
	if err != nil {
		return err
	}
	p.lab.Samples.Add(restoredName, answered, c.First.Seconds())
	p.lab.Samples.Add(restoredName, floorPSS, float64(c.PSS))
	return c.End()
}

func (p *Part) restoreTwo(ctx context.Context, _ int) error {
	n, err := p.saved.Added(ctx)
	if err != nil {
		return err
	}
	p.lab.Samples.Add(restoredName, added, float64(n))
	return nil
}

// two measures what a second clone adds to the memory of all.
func (p *Part) two(k *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) (err error) {
		var sums [2]float64
		for i, name := range []string{"two-a", "two-b"} {
			id := k.ID(name, round)
			if _, err := k.Begin(ctx, id, p.lab.Bundles, func(string, float64) {}); err != nil {
				return err
			}
			defer func() {
				_, end := k.Run(context.WithoutCancel(ctx), "delete", "--force", id)
				err = errors.Join(err, end)
			}()
			if _, err := k.Run(ctx, "exec", id, "true"); err != nil {
				return err
			}
			for _, other := range []string{"two-a", "two-b"}[:i+1] {
				n, err := footprint.Idle(ctx, k.Root, k.ID(other, round))
				if err != nil {
					return err
				}
				sums[i] += float64(n)
			}
		}
		p.lab.Samples.Add(k.Name, added, sums[1]-sums[0])
		return nil
	}
}

// phasesOf names the samples of a runtime's phases.
func phasesOf(peer string) string { return "phases, " + peer }

// phases runs a container once more with the log of its parts. It is a run of
// its own, so that writing the log slows none of those that are timed.
func (p *Part) phases(who *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error {
		log := filepath.Join(p.lab.Dir, "phases.log")
		defer os.Remove(log)
		k := *who
		k.Args = append(append([]string(nil), k.Args...), "--debug", "--log", log, "--log-format", "json")
		// Rounds count on, so that the id is no other run's.
		if err := k.Once(ctx, p.lab.Rounds+round, p.lab.Bundles, func(string, float64) {}); err != nil {
			return err
		}
		data, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		list, err := phase.Read(bytes.NewReader(data))
		if err != nil {
			return err
		}
		for i, ph := range list {
			p.lab.Samples.Add(phasesOf(who.Name), fmt.Sprintf("%02d %s", i, ph.Name), ph.Seconds)
		}
		return nil
	}
}
