package sandbox

import (
	"log/slog"
	"time"
)

// phases logs, at debug level, how long each part of a command took: the
// benchmarks read these lines (keys "phase" and "ms", milliseconds).
type phases struct {
	log  *slog.Logger
	last time.Time
}

func newPhases(log *slog.Logger) *phases { return &phases{log: log, last: time.Now()} }

// done says that a part has ended; the next one begins.
func (p *phases) done(name string) {
	now := time.Now()
	p.log.Debug("phase "+name, "phase", name, "ms", float64(now.Sub(p.last).Microseconds())/1000)
	p.last = now
}
