// Package turn runs measurements in turns, so that what else the machine does
// meets all of them alike.
package turn

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Job is one thing that is measured once in a round.
type Job struct {
	Name string
	Do   func(ctx context.Context, round int) error
	// Rounds is in how many rounds it is done: 0 for each of them. What takes long
	// is spread over the run.
	Rounds int
}

// due tells whether a job is done in a round of many: its rounds are spread.
func (j Job) due(round, rounds int) bool {
	if j.Rounds <= 0 || j.Rounds >= rounds {
		return true
	}
	return (round+1)*j.Rounds/rounds > round*j.Rounds/rounds
}

// order is that of a round: another one in each, so that no job always follows the
// same one, and the same in each run.
func order(round, jobs int) []int {
	return rand.New(rand.NewPCG(uint64(round), uint64(jobs))).Perm(jobs)
}

// Run does all jobs, rounds times, each round in an order of its own, with ready
// before each. One that fails is done once more: failed hears of it, and whether
// that was not enough, which ends the run. say tells what goes on.
func Run(ctx context.Context, rounds int, jobs []Job, ready func() error, say func(format string, args ...any), failed func(what string, err error)) error {
	for round := range rounds {
		start := time.Now()
		for _, i := range order(round, len(jobs)) {
			j := jobs[i]
			if !j.due(round, rounds) {
				continue
			}
			once := func() error {
				if err := ready(); err != nil {
					return err
				}
				return j.Do(ctx, round)
			}
			err := once()
			if err != nil && ctx.Err() == nil {
				failed(fmt.Sprintf("round %d: %s, which was done again", round+1, j.Name), err)
				err = once()
			}
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted: %w", ctx.Err())
			}
			if err != nil {
				return fmt.Errorf("round %d: %s: %w", round+1, j.Name, err)
			}
		}
		say("round %d of %d: %.0f s", round+1, rounds, time.Since(start).Seconds())
	}
	return nil
}
