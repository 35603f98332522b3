package main

import (
	"fmt"
	"strings"
)

const mib = 1 << 20

// table is the result for docs and for a person, in Markdown. The ratio is over
// the first row of the same mode.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| VMs | at once | start, median (min to max) | over the first | all there after | PSS each | memory less, each | so made | lost |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	first := map[string]float64{}
	for _, r := range rows {
		if _, ok := first[r.Mode]; !ok {
			first[r.Mode] = r.Start.Median
		}
		ratio := "–"
		if first[r.Mode] > 0 {
			ratio = fmt.Sprintf("%.2f", r.Start.Median/first[r.Mode])
		}
		fmt.Fprintf(&b, "| %s | %d | %.2f s (%.2f to %.2f) | %s | %.1f s | %.1f MiB | %.1f MiB | %d | %d |\n",
			r.Mode, r.Count, r.Start.Median, r.Start.Min, r.Start.Max, ratio, r.Wall, r.PSS/mib, r.Available/mib, r.Used, len(r.Lost))
	}
	return b.String()
}
