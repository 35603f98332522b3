package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// The runtimes in the order of the columns, and the floor of each of ours.
var (
	katas  = []string{report.Tuned, report.Stock, report.Debian, report.Template, report.Cache}
	hosts  = []string{report.Runc, report.Crun, report.Runsc}
	floors = map[string]series.Key{
		report.Tuned:    {Peer: floorName("tuned kernel"), Measure: floorExit},
		report.Stock:    {Peer: floorName("tuned kernel, Debian's QEMU"), Measure: floorExit},
		report.Debian:   {Peer: floorName("Debian's kernel"), Measure: floorExit},
		report.Template: {Peer: restoredName, Measure: answered},
		report.Cache:    {Peer: restoredName, Measure: answered},
	}
	leans = map[string]string{
		report.Tuned: leanName("tuned kernel"), report.Stock: leanName("tuned kernel, Debian's QEMU"), report.Debian: leanName("Debian's kernel"),
	}
)

func run(peerName string) series.Key { return series.Key{Peer: peerName, Measure: peer.Run} }

// Show makes the tables. Where there is no tuned kernel, the figures that are
// asked of it are those of the other.
func (p *Part) Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot) {
	tables := []report.Table{
		verbTable(s), ratioTable(s), floorTable(s), memoryTable(s), p.sizeTable(), phaseTable(s),
	}
	return targets(s), tables, []report.Plot{verbPlot(s)}
}

func targets(s *series.Set) []report.Target {
	best := preferred(s)
	key := func(measure string) series.Key { return series.Key{Peer: best, Measure: measure} }
	over := report.OfRatio(s, "cold `run /bin/true` over the floor, tuned kernel", run(report.Tuned), floors[report.Tuned], 1.3, report.Times)
	list := []report.Target{
		report.OfRatio(s, "cold `run /bin/true` over the floor, Debian's kernel", run(report.Debian), floors[report.Debian], 1.6, report.Times),
		over,
		report.OfRatio(s, "the same over a floor that keeps translations, too", run(report.Tuned), series.Key{Peer: keptName("tuned kernel"), Measure: floorExit}, 1.3, report.Times),
		report.OfRatio(s, "the same without kept translations, Debian's QEMU", run(report.Stock), floors[report.Stock], 1.3, report.Times),
		report.OfRatio(s, "template `run /bin/true` over the restored floor", run(report.Template), floors[report.Template], 2, report.Times),
		report.OfMedian(s, "template `run /bin/true`", run(report.Template), 0.45, report.MSUnit),
		report.OfRatio(s, "template `run /bin/true` over runsc's", run(report.Template), run(report.Runsc), 1.5, report.Times),
		report.OfRatio(s, "template `start` over runsc's", series.Key{Peer: report.Template, Measure: peer.Start}, series.Key{Peer: report.Runsc, Measure: peer.Start}, 1.5, report.Times),
		report.OfMedian(s, "`exec true`", key(peer.Exec), 0.12, report.MSUnit),
	}
	// "within 3 times a runc exec plus 60 ms": the limit is measured, too.
	exec := report.OfMedian(s, "`exec true`, beside 3 times runc's and 60 ms", key(peer.Exec), 0, report.MSUnit)
	runc, there := s.Of(report.Runc, peer.Exec)
	exec.Limit, exec.Measured = 3*runc.Median+0.06, exec.Measured && there
	stock := report.OfMedian(s, "the same, Debian's kernel", series.Key{Peer: report.Debian, Measure: peer.Exec}, exec.Limit, report.MSUnit)
	stock.Measured = stock.Measured && there
	list = append(list, exec, stock,
		report.OfMedian(s, "`delete --force` of a running container", key(peer.DeleteForce), 0.1, report.MSUnit),
		report.OfMedian(s, "PSS of the host helpers, shim and proxy together", series.Key{Peer: footprint.Memory(best), Measure: footprint.HelpersPSS}, 25e6, report.MBUnit),
	)
	clone, there := s.Of(report.Template, added)
	bareClone, there2 := s.Of(restoredName, added)
	return append(list, report.Target{
		What: "PSS that a clone adds, above what a bare restored guest adds", Limit: 25e6, Show: report.MBUnit,
		Value: clone.Median - bareClone.Median, Measured: there && there2,
	})
}

// preferred answers which of ours stands for it where no kernel is named.
func preferred(s *series.Set) string {
	if _, there := s.Of(report.Tuned, peer.Run); there {
		return report.Tuned
	}
	return report.Debian
}

// present answers those whose commands were measured.
func present(s *series.Set, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, there := s.Of(name, peer.Run)
		return !there
	})
}

func verbTable(s *series.Set) report.Table {
	t := report.Table{Title: "Commands", Head: []string{"wall time in ms, median (min–max)"}}
	columns := append(present(s, katas), present(s, hosts)...)
	t.Head = append(t.Head, columns...)
	for _, m := range peer.Measures {
		row := []string{"`" + m.What + "`"}
		for _, p := range columns {
			row = append(row, report.Cell(s, p, m.Name, report.MS))
		}
		if len(columns) > 0 {
			t.Add(row...)
		}
	}
	return t
}

// ratioTable has our medians over those of the others.
func ratioTable(s *series.Set) report.Table {
	t := report.Table{Title: "Commands, ratios of medians", Head: []string{"over"}}
	ours, theirs := present(s, katas), present(s, hosts)
	for _, k := range ours {
		for _, h := range theirs {
			t.Head = append(t.Head, k+" / "+h)
		}
	}
	if len(t.Head) == 1 {
		return t
	}
	for _, m := range peer.Measures {
		row := []string{"`" + m.What + "`"}
		for _, k := range ours {
			for _, h := range theirs {
				row = append(row, report.Ratio(s, series.Key{Peer: k, Measure: m.Name}, series.Key{Peer: h, Measure: m.Name}))
			}
		}
		t.Add(row...)
	}
	return t
}

const powerOff = "QEMU's end, after an init that prints a line and ends the machine"

func floorTable(s *series.Set) report.Table {
	t := report.Table{
		Title: "Floors: bare QEMU, same kernel, machine type, memory and CPUs",
		Head:  []string{"floor", "from QEMU's launch until", "ms, median (min–max)", "`run /bin/true` is that times"},
	}
	add := func(kata, name, measure, what string) {
		if _, there := s.Of(name, measure); there {
			t.Add(strings.TrimPrefix(name, "floor, "), what, report.Cell(s, name, measure, report.MS),
				report.Ratio(s, run(kata), series.Key{Peer: name, Measure: measure}))
		}
	}
	for _, kata := range []string{report.Tuned, report.Stock, report.Debian} {
		name := floors[kata].Peer
		add(kata, name, floorLine, "the first line of its init")
		add(kata, name, floorSerial, "the first byte on a virtio serial port")
		add(kata, name, floorExit, powerOff)
		add(kata, leans[kata], floorLine, "the first line of its init")
		add(kata, leans[kata], floorExit, powerOff)
	}
	add(report.Tuned, keptName("tuned kernel"), floorLine, "the first line of its init")
	add(report.Tuned, keptName("tuned kernel"), floorExit, powerOff)
	add(report.Template, restoredName, answered, "an answer on a virtio serial port")
	return t
}

func memoryTable(s *series.Set) report.Table {
	t := report.Table{Title: "Memory of one idle sandbox", Head: []string{"MiB, median (min–max)"}}
	columns := present(s, katas)
	t.Head = append(t.Head, columns...)
	row := func(what string, key func(kata string) series.Key) {
		cells, any := []string{what}, false
		for _, kata := range columns {
			k := key(kata)
			_, there := s.Of(k.Peer, k.Measure)
			any = any || there
			cells = append(cells, report.Cell(s, k.Peer, k.Measure, report.MiB))
		}
		if any {
			t.Add(cells...)
		}
	}
	for _, m := range footprint.Measures {
		row(m.What, func(kata string) series.Key { return series.Key{Peer: footprint.Memory(kata), Measure: m.Name} })
	}
	row("PSS of QEMU of its floor, when that answers on its serial port", func(kata string) series.Key {
		return series.Key{Peer: floors[kata].Peer, Measure: floorPSS}
	})
	row("PSS that a second clone adds", func(kata string) series.Key { return series.Key{Peer: kata, Measure: added} })
	row("PSS that a second clone of the floor adds", func(kata string) series.Key { return series.Key{Peer: floors[kata].Peer, Measure: added} })
	return t
}

func (p *Part) sizeTable() report.Table {
	t := report.Table{Title: "Sizes", Head: []string{"file", "MB"}}
	for _, x := range p.sizes {
		t.Add(x.name, fmt.Sprintf("%.1f", float64(x.bytes)/1e6))
	}
	return t
}

func phaseTable(s *series.Set) report.Table {
	t := report.Table{Title: "Phases of `run /bin/true`, as the runtime logs them", Head: []string{"ms, median (min–max)"}}
	// The name is a number, which keeps the order, and the phase: rows of equal
	// phases are one.
	var phases []string
	columns := present(s, katas)
	names := map[string]map[string]string{}
	for _, kata := range columns {
		t.Head = append(t.Head, kata)
		names[kata] = map[string]string{}
		at := 0
		for _, name := range s.Measures(phasesOf(kata)) {
			_, shown, _ := strings.Cut(name, " ")
			names[kata][shown] = name
			if i := slices.Index(phases, shown); i >= 0 {
				at = i + 1
				continue
			}
			phases = slices.Insert(phases, at, shown)
			at++
		}
	}
	for _, shown := range phases {
		row := []string{shown}
		for _, kata := range columns {
			row = append(row, report.Cell(s, phasesOf(kata), names[kata][shown], report.MS))
		}
		t.Add(row...)
	}
	return t
}

func verbPlot(s *series.Set) report.Plot {
	p := report.Plot{Title: "Wall time of each command", Unit: "ms", Scale: 1000}
	for _, m := range peer.Measures {
		var keys []series.Key
		if m.Name == peer.Run {
			keys = []series.Key{floors[report.Tuned], floors[report.Debian], floors[report.Template]}
		}
		for _, name := range append(slices.Clone(katas), hosts...) {
			keys = append(keys, series.Key{Peer: name, Measure: m.Name})
		}
		p.Add(s, m.What, keys...)
	}
	return p
}
