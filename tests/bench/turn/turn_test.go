package turn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func ignore(string, ...any) {}

func never(t *testing.T) func(string, error) {
	return func(what string, err error) { t.Errorf("%s: %v", what, err) }
}

func TestRunTakesTurns(t *testing.T) {
	var done []string
	readied := 0
	count := func() error { readied++; return nil }
	job := func(name string, rounds int) Job {
		return Job{Name: name, Rounds: rounds, Do: func(_ context.Context, round int) error {
			done = append(done, fmt.Sprint(round, name))
			return nil
		}}
	}
	jobs := []Job{job("a", 0), job("b", 0), job("c", 1)}
	if err := Run(context.Background(), 3, jobs, count, ignore, never(t)); err != nil {
		t.Fatal(err)
	}
	if readied != len(done) {
		t.Errorf("made ready %d times for %d jobs", readied, len(done))
	}
	slices.Sort(done)
	if got, want := strings.Join(done, " "), "0a 0b 1a 1b 2a 2b 2c"; got != want {
		t.Errorf("done: %s, want %s", got, want)
	}
}

// In nine rounds each job has several others before it, and all jobs are done.
func TestOrder(t *testing.T) {
	const jobs = 12
	before := map[int]map[int]bool{}
	for round := range 9 {
		o := order(round, jobs)
		for at, job := range o {
			if before[job] == nil {
				before[job] = map[int]bool{}
			}
			if at > 0 {
				before[job][o[at-1]] = true
			}
		}
		slices.Sort(o)
		for i := range jobs {
			if o[i] != i {
				t.Fatalf("round %d: %v", round, o)
			}
		}
	}
	for job, others := range before {
		if len(others) < 4 {
			t.Errorf("job %d has only %d others before it", job, len(others))
		}
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

func TestRunTriesOnceMore(t *testing.T) {
	broken := errors.New("broken")
	for times, want := range []error{nil, nil, broken} {
		left := times
		var told []string
		err := Run(context.Background(), 2, []Job{{Name: "it", Do: func(_ context.Context, round int) error {
			if round == 1 && left > 0 {
				left--
				return broken
			}
			return nil
		}}}, func() error { return nil }, ignore, func(what string, err error) { told = append(told, what+": "+err.Error()) })
		if !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), "round 2: it") {
			t.Errorf("%d failures: Run = %v", times, err)
		}
		if len(told) != min(times, 1) || times > 0 && told[0] != "round 2: it, which was done again: broken" {
			t.Errorf("%d failures: told %q", times, told)
		}
	}
}
