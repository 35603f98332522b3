package serial

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/ring"
)

// closeTimeout is how long the other side may leave a connection open that we
// have closed; nothing in the protocol lives half closed.
const closeTimeout = 5 * time.Minute

// Conn is one connection of a session: a net.Conn. One goroutine may read while
// another writes.
//
// With a sink, what comes in is offered to that first, by the goroutine that
// reads the port: it must not block, and answers how much it took. The rest is
// kept for Drain, and while there is some, the sink is not called.
type Conn struct {
	session *Session
	id      uint32
	sink    func(p []byte) int
	// sending is held while a Write is under way.
	sending sync.Mutex

	mu      sync.Mutex
	changed sync.Cond
	first   uint16 // flags that our first frame still has to carry
	token   bool   // we hold one of the session's

	ring    ring.Ring
	granted int // what the other side may send still
	taken   int // what was taken out since the last grant
	busy    bool
	// draining: the sink is not to overtake what Drain writes.
	draining bool

	credit  int // what we may send
	inWrite bool

	writeClosed, closed bool // by us
	finished            bool // by the other side: no more comes
	err                 error
	read, write         deadline
	timer               *time.Timer
}

// deadline is a time at which waiting ends.
type deadline struct {
	passed bool
	timer  *time.Timer
}

// accepted: the other side knows the connection.
func (c *Conn) accepted() {
	c.mu.Lock()
	c.release()
	c.mu.Unlock()
}

// release gives back the session's token. mu is held.
func (c *Conn) release() {
	if c.token {
		c.token = false
		<-c.session.waiting
	}
}

// ended: the other side sends no more, or has reset the connection.
func (c *Conn) ended(reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished = true
	if reset && c.err == nil {
		c.err = unix.ECONNRESET
	}
	if reset || c.writeClosed {
		c.forget()
	}
	c.changed.Broadcast()
}

// forget: nothing more will come or go. mu is held.
func (c *Conn) forget() {
	c.release()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.session.remove(c.id)
}

// sever ends the connection with its session.
func (c *Conn) sever() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = io.ErrUnexpectedEOF
	}
	c.forget()
	c.changed.Broadcast()
}

// CloseWrite tells the other side that no more comes.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeWrite()
	return nil
}

// closeWrite is CloseWrite. mu is held.
func (c *Conn) closeWrite() {
	if c.writeClosed {
		return
	}
	c.writeClosed = true
	c.changed.Broadcast()
	switch {
	case c.err != nil:
		return
	case c.first&flagSYN != 0 && !c.inWrite:
		// The other side has never heard of it.
		c.finished = true
		c.forget()
		return
	case !c.inWrite:
		c.frame(typeWindow, flagFIN, 0)
	}
	if c.finished {
		c.forget()
	}
}

// Close ends both ways: what the other side sent and still sends is dropped.
// What was written arrives.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.closeWrite()
	c.ring.Drop()
	for _, d := range []*deadline{&c.read, &c.write} {
		if d.timer != nil {
			d.timer.Stop()
		}
	}
	if !c.finished && c.err == nil {
		c.timer = time.AfterFunc(closeTimeout, c.reset)
	}
	c.changed.Broadcast()
	return nil
}

// reset gives up on the other side's end.
func (c *Conn) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finished && c.err == nil {
		c.err = errors.New("the other side does not close the connection")
		c.frame(typeWindow, flagRST, 0)
		c.forget()
	}
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return address{} }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return address{} }

// SetDeadline implements net.Conn. A Write waits for the port itself as long as
// that takes: a frame is written whole or not at all.
func (c *Conn) SetDeadline(t time.Time) error {
	c.set(t, &c.read, &c.write)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.set(t, &c.read)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.set(t, &c.write)
	return nil
}

func (c *Conn) set(t time.Time, ds ...*deadline) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range ds {
		if d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
		left := time.Until(t)
		d.passed = !t.IsZero() && left <= 0
		if t.IsZero() || d.passed {
			continue
		}
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if d.timer == timer { // not another one by now
				d.passed = true
				c.changed.Broadcast()
			}
		})
		d.timer = timer
	}
	c.changed.Broadcast()
}
