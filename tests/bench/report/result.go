// Package report says what was measured: as a text for the terminal, as a part
// of a Markdown document, and as plots. It knows no measurement: each part of
// the benchmark makes its own tables.
package report

import (
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// Runtimes in Result.Samples and in the report.
const (
	// Kata is kata-runtime as it is configured.
	Kata   = "kata-runtime"
	Tuned  = "kata, tuned kernel"
	Debian = "kata, Debian's kernel"
	// Stock is the first with Debian's QEMU, which keeps no translations.
	Stock    = "kata, tuned kernel, Debian's QEMU"
	Template = "kata, template"
	Cache    = "kata, cache"

	Runc  = "runc"
	Crun  = "crun"
	Runsc = "runsc"
)

// Result of one part of the benchmark.
type Result struct {
	// Part is its name, What says it in a few words.
	Part, What string
	Date       time.Time
	Rounds     int
	Machine    Machine
	Versions   []Version
	LeftOut    []LeftOut
	// VM describes the machine of the sandboxes.
	VM      string
	Samples series.Set
	// Targets, Tables and Plots are what the part has to show.
	Targets []Target
	Tables  []Table
	Plots   []Plot
}

// Version of a program.
type Version struct{ Name, Text string }

// LeftOut is what was not measured, and why.
type LeftOut struct{ Name, Reason string }
