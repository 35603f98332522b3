// Package turn runs measurements in turns, so that what else the machine does
// meets all of them alike.
package turn

import (
	"context"
	"fmt"
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

// Run does all jobs, rounds times, with ready before each. Each round begins
// with another job, so that none always follows the same one. say tells what
// goes on.
func Run(ctx context.Context, rounds int, jobs []Job, ready func() error, say func(format string, args ...any)) error {
	for round := range rounds {
		start := time.Now()
		for i := range jobs {
			j := jobs[(i+round)%len(jobs)]
			if !j.due(round, rounds) {
				continue
			}
			err := ready()
			if err == nil {
				err = j.Do(ctx, round)
			}
			if err != nil {
				if ctx.Err() != nil {
					return fmt.Errorf("interrupted: %w", ctx.Err())
				}
				return fmt.Errorf("round %d: %s: %w", round+1, j.Name, err)
			}
		}
		say("round %d of %d: %.0f s", round+1, rounds, time.Since(start).Seconds())
	}
	return nil
}
