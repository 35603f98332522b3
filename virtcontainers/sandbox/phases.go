package sandbox

import (
	"log/slog"
	"time"
)

// Phases logs, at debug level, how long each part of a command took: the
// benchmarks read these lines (keys "phase" and "ms", milliseconds).
type Phases struct {
	log  *slog.Logger
	last time.Time
}

// NewPhases begins the first part now, or at the time that since tells.
func NewPhases(log *slog.Logger, since time.Time) *Phases { return &Phases{log, since} }

// Done says that a part has ended; the next one begins.
func (p *Phases) Done(name string) {
	now := time.Now()
	p.log.Debug("phase "+name, "phase", name, "ms", float64(now.Sub(p.last).Microseconds())/1000)
	p.last = now
}
