package stream

import (
	"encoding/binary"
	"io"
	"sync"
)

// acks sends positions from a goroutine of its own, so that the data does not
// wait for them; one that is overtaken by a later one is left out.
type acks struct {
	mu       sync.Mutex
	changed  sync.Cond
	position uint64
	sent     uint64
	stopped  bool
	done     chan struct{}
}

// startAcks starts with position acknowledged already.
func startAcks(w io.Writer, position uint64) *acks {
	a := &acks{position: position, sent: position, done: make(chan struct{})}
	a.changed.L = &a.mu
	go a.run(w)
	return a
}

func (a *acks) run(w io.Writer) {
	defer close(a.done)
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for a.position == a.sent && !a.stopped {
			a.changed.Wait()
		}
		if a.position == a.sent {
			return
		}
		a.sent = a.position
		var data [positionSize]byte
		binary.BigEndian.PutUint64(data[:], a.sent)
		a.mu.Unlock()
		_, err := w.Write(data[:])
		a.mu.Lock()
		if err != nil {
			// Whoever reads the connection finds it broken, too.
			return
		}
	}
}

// to acknowledges up to position, or refuses.
func (a *acks) to(position uint64) {
	a.mu.Lock()
	a.position = position
	a.changed.Signal()
	a.mu.Unlock()
}

// stop returns when the last position is sent, or the connection broken.
func (a *acks) stop() {
	a.mu.Lock()
	a.stopped = true
	a.changed.Signal()
	a.mu.Unlock()
	<-a.done
}
