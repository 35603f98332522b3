// Package series collects samples and says what is typical of them.
package series

import "slices"

// Key names what was sampled: the program and the measure of it.
type Key struct{ Peer, Measure string }

// Set holds the samples of a run of the benchmark. Times are in seconds,
// memory is in bytes. The zero value is empty. Not for concurrent use.
type Set struct {
	samples map[Key][]float64
}

// Add notes one sample.
func (s *Set) Add(peer, measure string, v float64) {
	if s.samples == nil {
		s.samples = map[Key][]float64{}
	}
	k := Key{peer, measure}
	s.samples[k] = append(s.samples[k], v)
}

// Stats is what a reader needs of N samples.
type Stats struct {
	N                int
	Median, Min, Max float64
}

// Of answers the statistics of a measure; false if there is no sample of it.
func (s *Set) Of(peer, measure string) (Stats, bool) {
	v := slices.Sorted(slices.Values(s.samples[Key{peer, measure}]))
	n := len(v)
	if n == 0 {
		return Stats{}, false
	}
	return Stats{N: n, Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}, true
}

// Ratio divides the median of one measure by that of another; false if one of
// them has no samples.
func (s *Set) Ratio(a, b Key) (float64, bool) {
	over, ok := s.Of(a.Peer, a.Measure)
	under, ok2 := s.Of(b.Peer, b.Measure)
	if !ok || !ok2 || under.Median == 0 {
		return 0, false
	}
	return over.Median / under.Median, true
}

// Measures answers the measures of a peer, in the order of their names.
func (s *Set) Measures(peer string) []string {
	var names []string
	for k := range s.samples {
		if k.Peer == peer {
			names = append(names, k.Measure)
		}
	}
	slices.Sort(names)
	return names
}
