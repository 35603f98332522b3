package serial

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
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

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.ring.Len() == 0 {
		if err := c.readable(); err != nil {
			return 0, err
		}
		if len(p) == 0 {
			return 0, nil
		}
		c.changed.Wait()
	}
	if c.read.passed {
		return 0, os.ErrDeadlineExceeded
	}
	n := c.ring.Copy(p, c.ring.Start)
	c.ring.Forget(c.ring.Start + uint64(n))
	c.consumed(n)
	return n, nil
}

// readable tells why nothing will come. mu is held, and nothing is kept.
func (c *Conn) readable() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.err != nil:
		return c.err
	case c.finished:
		return io.EOF
	case c.read.passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Drain writes to w what the sink does not take, until the connection's end
// (nil), or an error.
func (c *Conn) Drain(w io.Writer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for c.ring.Len() == 0 {
			c.draining = false
			// A burst is over: an idle connection holds no memory.
			c.ring.Drop()
			if err := c.readable(); err != nil {
				if err == io.EOF {
					return nil
				}
				return err
			}
			c.changed.Wait()
		}
		c.draining = true
		piece := c.ring.At(c.ring.Start)
		c.mu.Unlock()
		n, err := w.Write(piece)
		c.mu.Lock()
		if c.closed {
			return net.ErrClosed
		}
		c.ring.Forget(c.ring.Start + uint64(n))
		c.consumed(n)
		if err != nil {
			return err
		}
	}
}

// consumed lets the other side send more, once it is worth a frame. mu is held.
func (c *Conn) consumed(n int) {
	c.taken += n
	if c.closed || c.finished || c.err != nil || c.taken < baseWindow/2 {
		return
	}
	more := c.taken
	if !c.busy {
		c.busy = true
		more += c.session.window - baseWindow
	} else if c.taken < c.session.window/4 {
		return
	}
	c.granted += more
	c.taken = 0
	c.frame(typeWindow, 0, more)
}

// frame sends a frame without data. mu is held.
func (c *Conn) frame(kind uint8, flags uint16, length int) {
	flags |= c.first
	c.first = 0
	if err := c.session.control(newHeader(kind, flags, c.id, uint32(length))); err != nil {
		go c.session.fail(err)
	}
}

// receive takes n bytes that have come for the connection.
func (c *Conn) receive(r *bufio.Reader, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.granted {
		return protocolError("%d bytes where %d are allowed", n, c.granted)
	}
	c.granted -= n
	for n > 0 {
		// Past the reader's buffer, if that is empty and the ring has room for
		// more than it.
		if r.Buffered() == 0 && c.sink == nil && !c.closed && n >= r.Size() {
			if free := c.ring.Free(n); len(free) >= r.Size() {
				c.mu.Unlock()
				got, err := r.Read(free)
				c.mu.Lock()
				n -= got
				if !c.closed {
					c.ring.Grow(got)
					c.changed.Broadcast()
				}
				if err != nil {
					return err
				}
				continue
			}
		}
		c.mu.Unlock()
		_, err := r.Peek(1)
		c.mu.Lock()
		if err != nil {
			return err
		}
		piece, _ := r.Peek(min(n, r.Buffered()))
		c.deliver(piece)
		n -= len(piece)
		if _, err := r.Discard(len(piece)); err != nil {
			return err
		}
	}
	return nil
}

// deliver takes bytes that have come. mu is held, and released meanwhile.
func (c *Conn) deliver(p []byte) {
	if c.sink != nil && c.ring.Len() == 0 && !c.draining && !c.closed {
		c.mu.Unlock()
		n := c.sink(p)
		c.mu.Lock()
		c.consumed(n)
		p = p[n:]
	}
	if c.closed || len(p) == 0 {
		return
	}
	c.ring.Append(p) // there is room for all that was granted
	c.changed.Broadcast()
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	buffer := buffers.Get().(*[frameBuffer]byte)
	defer buffers.Put(buffer)
	total := 0
	for {
		n := copy(buffer[HeaderSize:], p[total:])
		n, err := c.WriteBehind(buffer[:HeaderSize+n])
		total += n
		if err != nil || total == len(p) {
			return total, err
		}
	}
}

// frameBuffer holds the longest frame that is sent.
const frameBuffer = 64 << 10

// buffers are held only while there is something to move.
var buffers = sync.Pool{New: func() any { return new([frameBuffer]byte) }}

// WriteBehind writes what is in b behind its first HeaderSize bytes, which are
// room for a header, without a copy. b is as it was when it returns, and the
// caller's until then.
func (c *Conn) WriteBehind(b []byte) (total int, err error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	defer c.endWrite()
	var kept header
	for len(b) > HeaderSize {
		n, flags, err := c.spend(min(len(b)-HeaderSize, c.session.most))
		if err != nil {
			return total, err
		}
		copy(kept[:], b)
		putHeader(b, typeData, flags, c.id, uint32(n))
		err = c.session.write(b[:HeaderSize+n])
		copy(b, kept[:])
		if err != nil {
			return total, err
		}
		// The next header lies over the end of what was sent.
		b = b[n:]
		total += n
	}
	return total, nil
}

// spend waits until something may be sent, and takes at most n bytes of that.
func (c *Conn) spend(n int) (int, uint16, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.writeClosed:
			return 0, 0, net.ErrClosed
		case c.err != nil:
			return 0, 0, c.err
		case c.write.passed:
			return 0, 0, os.ErrDeadlineExceeded
		}
		if c.credit > 0 {
			n = min(n, c.credit)
			c.credit -= n
			c.inWrite = true
			flags := c.first
			c.first = 0
			return n, flags, nil
		}
		c.changed.Wait()
	}
}

// endWrite sends the end that was to wait for the data before it.
func (c *Conn) endWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inWrite && c.writeClosed && c.err == nil {
		c.frame(typeWindow, flagFIN, 0)
	}
	c.inWrite = false
}

func (c *Conn) addCredit(n uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int64(c.credit)+int64(n) > 1<<31 {
		return protocolError("a window of %d bytes more", n)
	}
	c.credit += int(n)
	c.changed.Broadcast()
	return nil
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
