package turn

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func ignore(string, ...any) {}

func TestRunTakesTurns(t *testing.T) {
	var done []string
	readied := 0
	count := func() error { readied++; return nil }
	job := func(name string, rounds int) Job {
		return Job{Name: name, Rounds: rounds, Do: func(context.Context, int) error {
			done = append(done, name)
			return nil
		}}
	}
	if err := Run(context.Background(), 3, []Job{job("a", 0), job("b", 0), job("c", 1)}, count, ignore); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(done, ""), "abbacab"; got != want {
		t.Errorf("done in the order %s, want %s", got, want)
	}
	if readied != len(done) {
		t.Errorf("made ready %d times for %d jobs", readied, len(done))
	}
}

func TestRareJobsAreDoneAsOftenAsAsked(t *testing.T) {
	for rounds := 1; rounds < 12; rounds++ {
		for asked := range 14 {
			n := 0
			for round := range rounds {
				if (Job{Rounds: asked}).due(round, rounds) {
					n++
				}
			}
			want := min(asked, rounds)
			if asked == 0 {
				want = rounds
			}
			if n != want {
				t.Errorf("%d times in %d rounds, want %d", n, rounds, want)
			}
		}
	}
}

func TestRunNamesWhatFailed(t *testing.T) {
	broken := errors.New("broken")
	err := Run(context.Background(), 2, []Job{{Name: "it", Do: func(_ context.Context, round int) error {
		if round == 1 {
			return broken
		}
		return nil
	}}}, func() error { return nil }, ignore)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "round 2: it") {
		t.Errorf("Run = %v", err)
	}
}
