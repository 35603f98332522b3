package report

import (
	"fmt"
	"strings"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// table is what both the terminal and Markdown show.
type table struct {
	title string
	head  []string
	rows  [][]string
	// note stands below it; it may be empty.
	note string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// none stands for what was not measured.
const none = "–"

// tables answers everything that there is to show, in order.
func tables(r *Result) []table {
	all := []table{targetTable(r), verbTable(r), floorTable(r), memoryTable(r), sizeTable(r), phaseTable(r)}
	var filled []table
	for _, t := range all {
		if len(t.rows) > 0 {
			filled = append(filled, t)
		}
	}
	return filled
}

// verbTable has a row for each verb and a column for each runtime, and ratios
// of medians to the first one that is not ours.
func verbTable(r *Result) table {
	t := table{title: "Commands", head: []string{"wall time in ms, median (min–max)"}}
	t.head = append(t.head, r.Peers...)
	var ratios []string
	for _, p := range r.Peers {
		if p != Kata && r.has(Kata) {
			ratios = append(ratios, p)
			t.head = append(t.head, "kata / "+p)
		}
	}
	for _, m := range peer.Measures {
		row := []string{"`" + m.What + "`"}
		for _, p := range r.Peers {
			row = append(row, r.cell(p, m.Name, ms))
		}
		for _, p := range ratios {
			row = append(row, r.ratio(series.Key{Peer: Kata, Measure: m.Name}, series.Key{Peer: p, Measure: m.Name}))
		}
		t.add(row...)
	}
	return t
}

func floorTable(r *Result) table {
	t := table{
		title: "Floor: bare QEMU, same kernel, machine type, memory and CPUs",
		head:  []string{"from QEMU's launch until", "ms, median (min–max)", "`run /bin/true` is that times"},
	}
	for _, m := range []struct{ name, what string }{
		{FloorLine, "the first line of its init"},
		{FloorSerial, "the first byte on a virtio serial port"},
		{FloorExit, "QEMU's end, after an init that prints a line and ends the machine"},
	} {
		key := series.Key{Peer: Floor, Measure: m.name}
		if _, there := r.Samples.Of(key.Peer, key.Measure); there {
			t.add(m.what, r.cell(Floor, m.name, ms), r.ratio(series.Key{Peer: Kata, Measure: peer.Run}, key))
		}
	}
	return t
}

func memoryTable(r *Result) table {
	t := table{title: "Memory of one idle sandbox", head: []string{"what", "MiB, median (min–max)"}}
	row := func(what, peer, measure string) {
		if _, there := r.Samples.Of(peer, measure); there {
			t.add(what, r.cell(peer, measure, mib))
		}
	}
	for _, role := range footprint.Roles {
		row("PSS of "+role, Memory, role)
	}
	row("PSS of the helpers (shim, proxy)", Memory, HelpersPSS)
	row("PSS of all host processes", Memory, AllPSS)
	row("PSS of QEMU of the floor, when it answers on its serial port", Floor, FloorPSS)
	row("used in the guest (MemTotal − MemAvailable)", Memory, GuestUsed)
	row("the guest's MemTotal", Memory, GuestTotal)
	return t
}

func sizeTable(r *Result) table {
	t := table{title: "Sizes", head: []string{"file", "MB"}}
	for _, s := range r.Sizes {
		t.add(s.Name, fmt.Sprintf("%.1f", float64(s.Bytes)/1e6))
	}
	return t
}

func phaseTable(r *Result) table {
	t := table{title: "Phases of `run /bin/true`, as the runtime logs them", head: []string{"phase", "ms, median (min–max)"}}
	for _, name := range r.Samples.Measures(Phases) {
		// The number in front keeps the order.
		_, shown, _ := strings.Cut(name, " ")
		t.add(shown, r.cell(Phases, name, ms))
	}
	return t
}

// has tells whether a runtime took part.
func (r *Result) has(name string) bool {
	for _, p := range r.Peers {
		if p == name {
			return true
		}
	}
	return false
}

func (r *Result) cell(peer, measure string, show func(float64) string) string {
	s, there := r.Samples.Of(peer, measure)
	if !there {
		return none
	}
	return spread(s, show)
}

func (r *Result) ratio(a, b series.Key) string {
	v, there := r.Samples.Ratio(a, b)
	if !there {
		return none
	}
	return fmt.Sprintf("%.2f", v)
}

// conditions are the lines that say under which the figures hold.
func conditions(r *Result) []string {
	lines := []string{
		fmt.Sprintf("Date: %s, %d rounds, in turns.", r.Date.Format("2006-01-02 15:04 MST"), r.Rounds),
		fmt.Sprintf("Host: %s, %d cores, %.1f GiB, %s, Linux %s. Load average %.2f before and %.2f after.",
			r.Machine.CPU, r.Machine.Cores, float64(r.Machine.Memory)/(1<<30), r.Machine.OS, r.Machine.Kernel,
			r.Machine.LoadBefore, r.Machine.LoadAfter),
		fmt.Sprintf("Guest: machine type %s, accelerator %s, %d MiB, %d vCPU.", r.VM.Type, r.VM.Accelerator, r.VM.MemoryMiB, r.VM.VCPUs),
	}
	// The machine's own work is in the load too: one busy process per CPU is ours.
	if r.Machine.LoadBefore > float64(r.Machine.Cores) {
		lines = append(lines, "The host was busy with other work before the run: these figures are too high.")
	}
	for _, v := range r.Versions {
		lines = append(lines, fmt.Sprintf("%s: %s.", v.Name, v.Text))
	}
	for _, l := range r.LeftOut {
		lines = append(lines, fmt.Sprintf("Left out: %s: %s.", l.Name, l.Reason))
	}
	return lines
}
