package relay

import (
	"io"
	"sync"
	"time"
)

// progress is a writer that knows how long nothing has come to be written. The
// time that a write takes does not count: a slow reader is not the guest's fault.
type progress struct {
	w       io.Writer
	mu      sync.Mutex
	idle    *time.Timer // runs while drained and nothing is being written
	after   time.Duration
	writing bool
	gaveUp  chan struct{}
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, gaveUp: make(chan struct{})}
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
	if p.idle == nil {
		return
	}
	if writing {
		p.idle.Stop()
	} else {
		p.idle.Reset(p.after)
	}
}

// wait waits for done, and gives up when for that time nothing has come. It
// answers whether it is done. It may be called once.
func (p *progress) wait(done <-chan struct{}, after time.Duration) bool {
	p.mu.Lock()
	p.after = after
	p.idle = time.AfterFunc(after, func() { close(p.gaveUp) })
	if p.writing {
		p.idle.Stop()
	}
	p.mu.Unlock()
	select {
	case <-done:
		p.idle.Stop()
		return true
	case <-p.gaveUp:
		return false
	}
}
