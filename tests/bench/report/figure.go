package report

import (
	"fmt"

	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// None stands for what was not measured.
const None = "–"

// A Show turns a figure of the samples (seconds, bytes, ...) into text.
type Show func(float64) string

// MS shows seconds as milliseconds with three significant digits or more.
func MS(seconds float64) string { return three(seconds * 1000) }

// MiB shows bytes as MiB.
func MiB(bytes float64) string { return fmt.Sprintf("%.1f", bytes/(1<<20)) }

// Rate shows bytes per second as MiB per second.
func Rate(bytes float64) string { return three(bytes / (1 << 20)) }

// Number shows a number as it is.
func Number(v float64) string { return three(v) }

func three(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// Times, Share, MSUnit, MBUnit and MiBUnit show figures with their units.
func Times(v float64) string   { return fmt.Sprintf("%.2f times", v) }
func Share(v float64) string   { return fmt.Sprintf("%.2f of it", v) }
func MSUnit(v float64) string  { return MS(v) + " ms" }
func MBUnit(v float64) string  { return fmt.Sprintf("%.1f MB", v/1e6) }
func MiBUnit(v float64) string { return MiB(v) + " MiB" }

// Cell shows a median with its extremes, or None.
func Cell(s *series.Set, peer, measure string, show Show) string {
	v, there := s.Of(peer, measure)
	if !there {
		return None
	}
	return spread(v, show)
}

// spread shows a median with its extremes.
func spread(s series.Stats, show Show) string {
	return fmt.Sprintf("%s (%s–%s)", show(s.Median), show(s.Min), show(s.Max))
}

// Ratio shows the ratio of two medians, or None.
func Ratio(s *series.Set, a, b series.Key) string {
	v, there := s.Ratio(a, b)
	if !there {
		return None
	}
	return fmt.Sprintf("%.2f", v)
}
