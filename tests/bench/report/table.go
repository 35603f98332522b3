package report

import (
	"fmt"
	"strings"
)

// Table is what both the terminal and Markdown show.
type Table struct {
	Title string
	Head  []string
	Rows  [][]string
	// Note stands below it; it may be empty.
	Note string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// tables answers everything that there is to show, in order.
func tables(r *Result) []Table {
	var filled []Table
	for _, t := range append([]Table{targetTable(r)}, r.Tables...) {
		if len(t.Rows) > 0 {
			filled = append(filled, t)
		}
	}
	return filled
}

// conditions are the lines that say under which the figures hold.
func conditions(r *Result) []string {
	lines := []string{
		fmt.Sprintf(begun+"%s, %d rounds, in turns.", r.Date.Format("2006-01-02 15:04 MST"), r.Rounds),
		fmt.Sprintf("Host: %s, %d cores, %.1f GiB, %s, Linux %s. Load average %.2f before and %.2f after.",
			r.Machine.CPU, r.Machine.Cores, float64(r.Machine.Memory)/(1<<30), r.Machine.OS, r.Machine.Kernel,
			r.Machine.LoadBefore, r.Machine.LoadAfter),
		fmt.Sprintf("Guest: %s.", r.VM),
	}
	// The machine's own work is in the load too: one busy process per CPU is ours.
	if r.Machine.LoadBefore > float64(r.Machine.Cores) {
		lines = append(lines, "The host was busy with other work before the run: these figures are too high.")
	}
	var versions []string
	for _, v := range r.Versions {
		versions = append(versions, v.Name+": "+v.Text)
	}
	if versions != nil {
		lines = append(lines, strings.Join(versions, "; ")+".")
	}
	for _, l := range r.LeftOut {
		lines = append(lines, fmt.Sprintf("Left out: %s: %s.", l.Name, l.Reason))
	}
	return lines
}
