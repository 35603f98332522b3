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

// measure measures the parts one after the other, each in turns of its own, and
// has each shown when it is done: what is compared with each other is in one part.
// A part that fails does not keep the others from being measured; what there is of
// it is shown as not whole.
func measure(ctx context.Context, l *lab.Lab, parts []lab.Part, show func(r *report.Result, whole bool) error) error {
	var errs []error
	for _, p := range parts {
		r := l.Begin(p)
		lab.Say("%s: %s", p.Name(), p.What())
		err := p.Prepare(ctx, l)
		if err == nil {
			err = turn.Run(ctx, l.Rounds, p.Jobs(), warm.Memory, lab.Say, l.LeaveOut)
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, err)...)
		}
		if err != nil {
			l.LeaveOut(p.Name()+", the rest", err)
			err = fmt.Errorf("%s: %w", p.Name(), err)
		}
		collect(r, p)
		errs = append(errs, err, show(r, err == nil))
	}
	return errors.Join(errs...)
}

// collect takes what a part has to show.
func collect(r *report.Result, p lab.Part) {
	r.Machine.LoadAfter = report.Load()
	var plots []report.Plot
	r.Targets, r.Tables, plots = p.Show(&r.Samples)
	for _, plot := range plots {
		if len(plot.Rows) > 0 {
			r.Plots = append(r.Plots, plot)
		}
	}
}
