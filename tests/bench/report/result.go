// Package report says what was measured: as a text for the terminal, as a part
// of a Markdown document, and as a plot.
package report

import (
	"fmt"
	"os"
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// Peers in Result.Samples: the runtimes, and what is measured beside them.
const (
	Kata = "kata-runtime"
	Runc = "runc"
	Crun = "crun"

	Floor  = "floor"
	Memory = "memory"
	Phases = "phases"
)

// Measures of the floor and of memory. Those of runtimes are peer.Measures,
// those of memory also footprint.Roles.
const (
	FloorLine   = "first line"
	FloorExit   = "power-off"
	FloorSerial = "first byte on a serial port"
	FloorPSS    = "pss"

	AllPSS     = "all"
	HelpersPSS = "helpers"
	GuestUsed  = "guest used"
	GuestTotal = "guest total"
)

// Result of one run of the benchmark.
type Result struct {
	Date     time.Time
	Rounds   int
	Machine  Machine
	Versions []Version
	// Peers are the runtimes that took part, in order.
	Peers   []string
	LeftOut []LeftOut
	// VM is the machine of sandbox and floor.
	VM      floor.Machine
	Sizes   []Size
	Samples series.Set
}

// Version of a program.
type Version struct{ Name, Text string }

// LeftOut is what was not measured, and why.
type LeftOut struct{ Name, Reason string }

// Size of a file.
type Size struct {
	Name  string
	Bytes int64
}

// FileSize answers a file's size; false if there is no such file.
func FileSize(name, path string) (Size, bool) {
	if path == "" {
		return Size{}, false
	}
	info, err := os.Stat(path)
	if err != nil {
		return Size{}, false
	}
	return Size{name, info.Size()}, true
}

// ms shows seconds as milliseconds with three significant digits or more.
func ms(seconds float64) string {
	v := seconds * 1000
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// mib shows bytes as MiB.
func mib(bytes float64) string { return fmt.Sprintf("%.1f", bytes/(1<<20)) }

// spread shows a median with its extremes.
func spread(s series.Stats, show func(float64) string) string {
	return fmt.Sprintf("%s (%s–%s)", show(s.Median), show(s.Min), show(s.Max))
}
