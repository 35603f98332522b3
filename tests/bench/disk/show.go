package disk

import (
	"fmt"

	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/work"
)

// row is a place of files: who has it, and which bare guest has the same.
type row struct {
	what, who, folder, bare string
}

var rows = []row{
	{"root file system", "kata, " + ninep, inRootfs, bare(ninep)},
	{"volume", "kata, " + ninep, inVolume, bare(ninep)},
	{"", bare(ninep), "", ""},
	{"root file system", "kata, " + virtiofs, inRootfs, bare(virtiofs)},
	{"volume", "kata, " + virtiofs, inVolume, bare(virtiofs)},
	{"", bare(virtiofs), "", ""},
	{"direct-assigned volume, ext4", "kata, " + ninep, inDisk, bare(block)},
	{"ext4", bare(block), "", ""},
	{"root file system", report.Runc, inRootfs, ""},
	{"volume", report.Runc, inVolume, ""},
}

func (r row) key(what string) series.Key {
	if r.folder == "" {
		return series.Key{Peer: r.who, Measure: what}
	}
	return series.Key{Peer: r.who, Measure: measure(r.folder, what)}
}

func show(what string) report.Show {
	if what == work.Create || what == work.Remove {
		return func(v float64) string { return fmt.Sprintf("%.0f", v) }
	}
	return report.Rate
}

var heads = []string{"read, MiB/s", "read again", "write and fsync", "files created, 1/s", "removed, 1/s"}

// Show: see lab.Part.
func (p *Part) Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot) {
	var targets []report.Target
	for _, way := range []row{rows[0], rows[3]} {
		for _, m := range []struct{ measure, what string }{{work.Read, "read"}, {work.Write, "write"}, {work.Create, "file creations"}} {
			t := report.OfRatio(s, fmt.Sprintf("root file system, %s: speed of %s, of the same device's in a bare guest", way.who[len("kata, "):], m.what),
				way.key(m.measure), series.Key{Peer: way.bare, Measure: m.measure}, 0.9, report.Share)
			t.AtLeast = true
			targets = append(targets, t)
		}
	}
	return targets, []report.Table{p.fileTable(s), p.optionTable(s)}, []report.Plot{plot(s)}
}

func (p *Part) fileTable(s *series.Set) report.Table {
	t := report.Table{
		Title: fmt.Sprintf("Files: %d MiB, %d files (%d by 9p)", p.much.mib, p.much.files, p.slow.files),
		Head:  append([]string{"where", "what"}, heads...),
		Note: "Medians (min–max). In brackets behind them, the share of the same device's speed in a bare guest. " +
			"The host has the data in its page cache; a guest reads them for the first time, and again.",
	}
	for _, r := range rows {
		cells, any := []string{r.who, r.what}, false
		for _, what := range work.Measures {
			cell := report.Cell(s, r.key(what).Peer, r.key(what).Measure, show(what))
			any = any || cell != report.None
			if ratio := report.Ratio(s, r.key(what), series.Key{Peer: r.bare, Measure: what}); ratio != report.None {
				cell += " [" + ratio + "]"
			}
			cells = append(cells, cell)
		}
		if any {
			t.Add(cells...)
		}
	}
	return t
}

func (p *Part) optionTable(s *series.Set) report.Table {
	t := report.Table{
		Title: fmt.Sprintf("Options of shares and disks, in a bare guest: %d MiB, %d files", p.less.mib, p.less.files),
		Head:  append([]string{"options"}, heads...),
		Note:  fmt.Sprintf("Medians of %d (min–max). The first line of each is what the runtime uses by default.", optionRounds),
	}
	var names []string
	for _, o := range options {
		names = append(names, o.String())
	}
	for _, o := range blockOptions {
		names = append(names, o.String())
	}
	for _, name := range names {
		cells, any := []string{name}, false
		for _, what := range work.Measures {
			cell := report.Cell(s, name, what, show(what))
			any = any || cell != report.None
			cells = append(cells, cell)
		}
		if any {
			t.Add(cells...)
		}
	}
	return t
}

func plot(s *series.Set) report.Plot {
	p := report.Plot{Name: "io", Title: "Streams of files", Unit: "MiB/s", Scale: 1.0 / (1 << 20)}
	for _, m := range []struct{ measure, what string }{{work.Read, "first read"}, {work.Again, "second read"}, {work.Write, "write and fsync"}} {
		for _, r := range rows {
			if r.folder == inRootfs || r.folder == "" || r.folder == inDisk {
				p.AddAs(s, m.what, r.label(), r.key(m.measure))
			}
		}
	}
	return p
}

// label names a place in the plot.
func (r row) label() string {
	if r.folder == inDisk {
		return "kata, " + block
	}
	return r.who
}
