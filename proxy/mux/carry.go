package mux

import (
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// errReset is what reading from a socket answers if its peer was killed with
// something unread.
const errReset = unix.ECONNRESET

// piece is how much is taken from a client at a time, in bytes.
const piece = 64<<10 - serial.HeaderSize

// buffers are held only while there is something to move: an idle connection
// costs its two goroutines. They have room for a header, see serial.Conn.
var buffers = sync.Pool{New: func() any { return new([serial.HeaderSize + piece]byte) }}

// carrier is one client with its connection to the agent.
type carrier struct {
	conn  *net.UnixConn
	raw   syscall.RawConn
	agent *serial.Conn
}

// open opens a connection to the agent for a client.
func open(session *serial.Session, conn *net.UnixConn) (*carrier, error) {
	c := &carrier{conn: conn}
	var err error
	if c.raw, err = conn.SyscallConn(); err != nil {
		return nil, err
	}
	c.agent, err = session.Open(c.sink)
	return c, err
}

// run copies both ways until both have ended, and closes both. The end of one
// way is passed on while the other goes on.
func (c *carrier) run(session *serial.Session) {
	up := make(chan struct{})
	go func() {
		defer close(up)
		_ = c.copyUp() // whatever ended it, this way is over
		_ = c.agent.CloseWrite()
	}()
	if err := c.agent.Drain(c.conn); err == nil {
		_ = c.conn.CloseWrite()
	}
	// After an error the peer reads no more, but what it said last, perhaps that
	// it refuses the stream, may not have been read yet: the other way goes on to
	// its end, which has come if the peer has gone.
	select {
	case <-up:
	case <-session.Done():
		// The other way has ended as well: the VM is gone.
	}
	c.conn.Close()
	<-up
	// Should the agent go on sending, nobody reads it and its window stops it.
	_ = c.agent.Close()
}

// sink gives the client what it takes at once, straight from the buffer that
// the port was read into.
func (c *carrier) sink(p []byte) (n int) {
	_ = c.raw.Write(func(fd uintptr) bool {
		for {
			var err error
			if n, err = unix.Write(int(fd), p); err != unix.EINTR {
				return true
			}
		}
	})
	// An error comes again when the rest is written.
	return max(n, 0)
}

// copyUp copies from the client to the agent; nil at the client's end.
func (c *carrier) copyUp() error {
	for {
		var buffer *[serial.HeaderSize + piece]byte
		var n int
		var readErr error
		// The function runs when there is something to read, so the buffer is
		// taken no earlier; false waits for more.
		err := c.raw.Read(func(fd uintptr) bool {
			buffer = buffers.Get().(*[serial.HeaderSize + piece]byte)
			for {
				n, readErr = unix.Read(int(fd), buffer[serial.HeaderSize:])
				if readErr != unix.EINTR {
					break
				}
			}
			if readErr == unix.EAGAIN {
				buffers.Put(buffer)
				return false
			}
			return true
		})
		if err != nil {
			return err
		}
		if n > 0 {
			_, readErr = c.agent.WriteBehind(buffer[:serial.HeaderSize+n])
		}
		buffers.Put(buffer)
		if readErr != nil || n <= 0 {
			return readErr
		}
	}
}
