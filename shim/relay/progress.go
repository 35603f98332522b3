package relay

import (
	"io"
	"sync"
	"time"
)

// progress is a writer that knows since when nothing has come to be written,
// and for how long a write has lasted: what a slow reader takes is not the
// guest's fault.
type progress struct {
	w  io.Writer
	mu sync.Mutex
	// writing is true while the reader is waited for, false while the guest is.
	writing bool
	limits  limits
	timer   *time.Timer // runs down while somebody waits; nil otherwise
	late    chan bool   // gets writing, when it has run down
}

// limits say how long a wait for an output's end is worth it; 0 is for ever.
type limits struct {
	// guest is how long nothing may come from the guest.
	guest time.Duration
	// reader is how long our reader may take nothing.
	reader time.Duration
}

// verdict is how a wait ended.
type verdict int

const (
	passedOn  verdict = iota // to its end
	silent                   // the guest sends no more, and no end
	untouched                // our reader takes nothing
)

func newProgress(w io.Writer) *progress {
	return &progress{w: w, late: make(chan bool, 1)}
}

func (p *progress) Write(data []byte) (int, error) {
	p.set(true)
	defer p.set(false)
	return p.w.Write(data)
}

func (p *progress) set(writing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writing = writing
	p.arm()
}

// arm begins to count anew. The lock is held.
func (p *progress) arm() {
	if p.timer == nil {
		return
	}
	limit := p.limits.guest
	if p.writing {
		limit = p.limits.reader
	}
	if limit == 0 {
		p.timer.Stop()
	} else {
		p.timer.Reset(limit)
	}
}

// wait waits for done, within the limits. One at a time may call it, and again.
func (p *progress) wait(done <-chan struct{}, l limits) verdict {
	p.mu.Lock()
	p.limits = l
	p.timer = time.AfterFunc(time.Hour, p.runDown)
	p.arm()
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.timer.Stop()
		p.timer = nil
		select {
		case <-p.late: // both at once
		default:
		}
	}()
	select {
	case <-done:
		return passedOn
	case writing := <-p.late:
		if writing {
			return untouched
		}
		return silent
	}
}

func (p *progress) runDown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return // the wait has ended meanwhile
	}
	select {
	case p.late <- p.writing:
	default:
	}
}
