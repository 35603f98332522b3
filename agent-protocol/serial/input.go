package serial

import (
	"bufio"
	"io"
	"net"
	"os"
)

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
