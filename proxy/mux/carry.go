package mux

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"
)

// errReset is what reading from a socket answers if its peer was killed with
// something unread.
const errReset = unix.ECONNRESET

// buffers are held only while there is something to move: an idle connection
// costs its two goroutines.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// carry copies both ways until both have ended, and closes both. The end of
// one way is passed on while the other goes on.
func carry(conn *net.UnixConn, stream *yamux.Stream) {
	up := make(chan struct{})
	go func() {
		defer close(up)
		_ = copyUp(stream, conn) // whatever ended it, this way is over
		_ = stream.Close()
	}()
	if err := copyDown(conn, stream); err == nil {
		_ = conn.CloseWrite()
	}
	// After an error the peer reads no more, but what it said last, perhaps that
	// it refuses the stream, may not have been read yet: the other way goes on to
	// its end, which has come if the peer has gone.
	select {
	case <-up:
	case <-stream.Session().CloseChan():
		// The other way has ended as well: the VM is gone.
	}
	conn.Close()
	<-up
	// The stream is closed; should the agent go on sending, nobody reads it and
	// its window stops it.
	_ = stream.SetDeadline(time.Unix(1, 0))
}

// copyUp copies from the socket to the agent; nil at the socket's end.
func copyUp(stream *yamux.Stream, conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var buffer *[64 << 10]byte
		var n int
		var readErr error
		// The function runs when there is something to read, so the buffer is
		// taken no earlier; false waits for more.
		err := raw.Read(func(fd uintptr) bool {
			buffer = buffers.Get().(*[64 << 10]byte)
			for {
				n, readErr = unix.Read(int(fd), buffer[:])
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
			_, readErr = stream.Write(buffer[:n])
		}
		buffers.Put(buffer)
		if readErr != nil || n <= 0 {
			return readErr
		}
	}
}

// copyDown copies from the agent to the socket; nil at the stream's end.
func copyDown(conn *net.UnixConn, stream *yamux.Stream) error {
	for {
		// Reading nothing waits until there is something.
		if _, err := stream.Read(nil); err != nil {
			return ignoreEOF(err)
		}
		buffer := buffers.Get().(*[64 << 10]byte)
		n, err := stream.Read(buffer[:])
		if n > 0 {
			_, err = conn.Write(buffer[:n])
		}
		buffers.Put(buffer)
		if err != nil {
			return ignoreEOF(err)
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
