package phase

import (
	"slices"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	log := `{"level":"debug","msg":"phase","phase":"network","ms":12.5}
not json
{"level":"info","msg":"of another kind"}
{"phase":"without a time"}
{"phase":"negative","ms":-1}
{"ms":4}
{"level":"debug","phase":"boot","ms":900}
{"level":"debug","phase":"quoted","ms":"8.5"}
{"phase":"no number","ms":"soon"}
`
	got, err := Read(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	if want := []Phase{{"network", 0.0125}, {"boot", 0.9}, {"quoted", 0.0085}}; !slices.Equal(got, want) {
		t.Errorf("Read = %v, want %v", got, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"phase":"boot","ms":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		phases, _ := Read(strings.NewReader(text))
		for _, p := range phases {
			if p.Name == "" || p.Seconds < 0 {
				t.Errorf("Read(%q) = %v", text, phases)
			}
		}
	})
}
