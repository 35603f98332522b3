// Package undo collects what has to be taken back if a later step fails.
package undo

import (
	"errors"
	"fmt"
)

// List holds the undo functions of the steps done so far. The zero value is
// an empty list. It is for one goroutine.
type List struct {
	steps []step
}

type step struct {
	name string
	undo func() error
}

// Add records how to take a step back; name says what it takes back, for the
// error ("unmount shared folder").
func (l *List) Add(name string, undo func() error) {
	l.steps = append(l.steps, step{name, undo})
}

// Forget drops all steps: what they did is to stay.
func (l *List) Forget() { l.steps = nil }

// Run takes the steps back, the last first, each even if another fails, and
// empties the list. It answers the failures, joined.
func (l *List) Run() error {
	var errs []error
	for i := len(l.steps) - 1; i >= 0; i-- {
		if err := l.steps[i].undo(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", l.steps[i].name, err))
		}
	}
	l.steps = nil
	return errors.Join(errs...)
}
