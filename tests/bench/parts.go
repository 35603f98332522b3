package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kata-go/kata-runtime/tests/bench/commands"
	"github.com/kata-go/kata-runtime/tests/bench/crowd"
	"github.com/kata-go/kata-runtime/tests/bench/disk"
	"github.com/kata-go/kata-runtime/tests/bench/docker"
	"github.com/kata-go/kata-runtime/tests/bench/heap"
	"github.com/kata-go/kata-runtime/tests/bench/idle"
	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/link"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/stream"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/warm"
)

// parts are all there are, in the order of the report. A new one is a package
// with a lab.Part, and an entry here.
func parts() []lab.Part {
	return []lab.Part{&commands.Part{}, &idle.Part{}, &heap.Part{}, &disk.Part{}, &link.Part{}, &docker.Part{}, &stream.Part{}, &crowd.Part{}}
}

func names(parts []lab.Part) string {
	var list []string
	for _, p := range parts {
		list = append(list, p.Name()+" ("+p.What()+")")
	}
	return strings.Join(list, ", ")
}

// choose answers the parts of these names, or all.
func choose(all []lab.Part, only []string) ([]lab.Part, error) {
	if len(only) == 0 {
		return all, nil
	}
	var chosen []lab.Part
	for _, name := range only {
		i := slices.IndexFunc(all, func(p lab.Part) bool { return p.Name() == name })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: there are: %s", name, names(all))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// measure measures the parts one after the other, each in turns of its own:
// what is compared with each other is in one part. A part that fails does not
// keep the others from being measured.
func measure(ctx context.Context, l *lab.Lab, parts []lab.Part) error {
	m := l.Guests[0].Machine
	l.Result.VM = fmt.Sprintf("machine type %s, accelerator %s, %d MiB, %d vCPU", m.Type, m.Accelerator, m.MemoryMiB, m.VCPUs)
	var errs []error
	for _, p := range parts {
		lab.Say("%s: %s", p.Name(), p.What())
		err := p.Prepare(ctx, l)
		if err == nil {
			err = turn.Run(ctx, l.Rounds, p.Jobs(), warm.Memory, lab.Say, l.LeaveOut)
		}
		if err != nil && ctx.Err() == nil {
			l.LeaveOut(p.Name()+", the rest", err)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Name(), err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// show collects what the parts have to show; those that were not measured
// name their targets all the same.
func show(r *report.Result, chosen []lab.Part) {
	for _, p := range parts() {
		if i := slices.IndexFunc(chosen, func(c lab.Part) bool { return c.Name() == p.Name() }); i >= 0 {
			p = chosen[i]
		}
		targets, tables, plots := p.Show(&r.Samples)
		r.Targets = append(r.Targets, targets...)
		r.Tables = append(r.Tables, tables...)
		for _, plot := range plots {
			if len(plot.Rows) > 0 {
				r.Plots = append(r.Plots, plot)
			}
		}
	}
}
