package series

import "testing"

func TestOf(t *testing.T) {
	tests := []struct {
		name    string
		samples []float64
		want    Stats
		there   bool
	}{
		{"none", nil, Stats{}, false},
		{"one", []float64{3}, Stats{1, 3, 3, 3}, true},
		{"odd", []float64{5, 1, 2}, Stats{3, 2, 1, 5}, true},
		{"even takes the middle of both", []float64{4, 1, 2, 100}, Stats{4, 3, 1, 100}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Set
			for _, v := range tt.samples {
				s.Add("p", "m", v)
			}
			got, there := s.Of("p", "m")
			if got != tt.want || there != tt.there {
				t.Errorf("Of = %v, %t; want %v, %t", got, there, tt.want, tt.there)
			}
		})
	}
}

func TestRatio(t *testing.T) {
	var s Set
	s.Add("a", "m", 3)
	s.Add("b", "m", 2)
	s.Add("zero", "m", 0)
	if r, ok := s.Ratio(Key{"a", "m"}, Key{"b", "m"}); !ok || r != 1.5 {
		t.Errorf("Ratio = %v, %t; want 1.5", r, ok)
	}
	for _, under := range []string{"zero", "missing"} {
		if r, ok := s.Ratio(Key{"a", "m"}, Key{under, "m"}); ok {
			t.Errorf("Ratio over %s = %v", under, r)
		}
	}
}
