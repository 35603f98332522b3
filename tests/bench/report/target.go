package report

import "github.com/kata-go/kata-runtime/tests/bench/series"

// Target is a figure that is to be reached.
type Target struct {
	What  string
	Limit float64
	// AtLeast: the figure is to be no smaller than Limit; without it no greater.
	AtLeast bool
	// Value is the figure; it says nothing unless Measured.
	Value    float64
	Measured bool
	Show     Show
}

// OfMedian is a target for a median.
func OfMedian(s *series.Set, what string, key series.Key, limit float64, show Show) Target {
	v, there := s.Of(key.Peer, key.Measure)
	return Target{What: what, Limit: limit, Value: v.Median, Measured: there, Show: show}
}

// OfRatio is a target for the ratio of two medians.
func OfRatio(s *series.Set, what string, a, b series.Key, limit float64, show Show) Target {
	v, there := s.Ratio(a, b)
	return Target{What: what, Limit: limit, Value: v, Measured: there, Show: show}
}

// reached tells whether it is.
func (t Target) reached() bool { return t.AtLeast == (t.Value >= t.Limit) || t.Value == t.Limit }

const targetsTitle = "Targets"

func targetTable(r *Result) Table {
	t := Table{Title: targetsTitle, Head: []string{"figure", "target", "measured", "reached"}}
	for _, x := range r.Targets {
		bound := "at most "
		if x.AtLeast {
			bound = "at least "
		}
		measured, reached := None, "not measured"
		if x.Measured {
			measured, reached = x.Show(x.Value), "no"
			if x.reached() {
				reached = "yes"
			}
		}
		t.Add(x.What, bound+x.Show(x.Limit), measured, reached)
	}
	return t
}
