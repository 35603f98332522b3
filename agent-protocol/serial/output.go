package serial

import (
	"net"
	"os"
	"sync"
)

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
