package sandbox

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestOOMScore(t *testing.T) {
	none := 12345
	asks := func(score int) *Container {
		c := &Container{}
		if c.Spec.Process = new(specs.Process); score != none {
			c.Spec.Process.OOMScoreAdj = &score
		}
		return c
	}
	infra := asks(-998)
	infra.Infra = true
	for name, test := range map[string]struct {
		containers map[string]*Container
		want       int
	}{
		"one that asks":          {map[string]*Container{"a": asks(500)}, 500},
		"one that asks not":      {map[string]*Container{"a": asks(none)}, none},
		"a process that is none": {map[string]*Container{"a": {}}, none},
		"a pod":                  {map[string]*Container{"a": infra}, 0},
		"a pod with members":     {map[string]*Container{"a": infra, "b": asks(900), "c": asks(2), "d": asks(none)}, 2},
		"best effort":            {map[string]*Container{"a": infra, "b": asks(1000)}, 1000},
	} {
		st := &State{ID: "a", Containers: test.containers}
		got := st.oomScore()
		if got == nil && test.want != none || got != nil && *got != test.want {
			t.Errorf("%s: %v, want %d", name, got, test.want)
		}
	}
}
