package report

import (
	"fmt"

	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// target is a figure that is to be reached.
type target struct {
	what  string
	limit float64
	// value answers the figure from the samples; false if it was not measured.
	value func(r *Result) (float64, bool)
	show  func(float64) string
}

var targets = []target{
	{"cold `run /bin/true` over the floor, for the first release", 1.6, runOverFloor, times},
	{"cold `run /bin/true` over the floor, tuned", 1.3, runOverFloor, times},
	{"`exec true`", 0.12, median(Kata, peer.Exec), msUnit},
	{"`delete --force` of a running container", 0.10, median(Kata, peer.DeleteForce), msUnit},
	{"PSS of the host helpers, shim and proxy together", 25e6, median(Memory, HelpersPSS), mbUnit},
	{"PSS of all host processes of an idle sandbox", 110 << 20, median(Memory, AllPSS), mibUnit},
}

func runOverFloor(r *Result) (float64, bool) {
	return r.Samples.Ratio(series.Key{Peer: Kata, Measure: peer.Run}, series.Key{Peer: Floor, Measure: FloorExit})
}

func median(peer, measure string) func(*Result) (float64, bool) {
	return func(r *Result) (float64, bool) {
		s, ok := r.Samples.Of(peer, measure)
		return s.Median, ok
	}
}

func times(v float64) string   { return fmt.Sprintf("%.2f times", v) }
func msUnit(v float64) string  { return ms(v) + " ms" }
func mbUnit(v float64) string  { return fmt.Sprintf("%.1f MB", v/1e6) }
func mibUnit(v float64) string { return mib(v) + " MiB" }

func targetTable(r *Result) table {
	t := table{title: "Targets", head: []string{"figure", "target: at most", "measured", "reached"}}
	for _, x := range targets {
		measured, reached := "–", "not measured"
		if v, ok := x.value(r); ok {
			measured, reached = x.show(v), "no"
			if v <= x.limit {
				reached = "yes"
			}
		}
		t.add(x.what, x.show(x.limit), measured, reached)
	}
	return t
}
