package lab

import (
	"context"

	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
)

// Part is a group of measurements that can be chosen by its name.
type Part interface {
	// Name is what -only takes; What says it in a few words.
	Name() string
	What() string
	// Prepare makes what is needed, and names what cannot be measured
	// (Lab.LeaveOut). What it starts it has the lab end (Lab.AtEnd). An error ends
	// the whole run.
	Prepare(ctx context.Context, l *Lab) error
	// Jobs are what is measured in turns, once prepared.
	Jobs() []turn.Job
	// Show makes tables, targets and plots of the samples, also without Prepare.
	// Targets are always there, tables and plots only with samples.
	Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot)
}
