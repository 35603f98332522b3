package stream

import (
	"io"
	"net"
	"sync"
	"time"
)

// magicTimeout bounds how long a connection may be silent before it says what
// it is. A client on the host writes at once; only a paused VM takes long.
const magicTimeout = 10 * time.Minute

// Split tells the connections of l apart. It answers a listener for those of calls;
// those of streams go to handle, with the magic read, each in a goroutine of
// its own, which handle keeps and whose connection it closes. Closing the
// answer closes l.
func Split(l net.Listener, handle func(net.Conn)) net.Listener {
	s := &splitter{Listener: l, calls: make(chan net.Conn), closed: make(chan struct{})}
	go s.run(handle)
	return s
}

type splitter struct {
	net.Listener
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
	err    error // why Accept of l ended; after closed
}

func (s *splitter) run(handle func(net.Conn)) {
	for {
		conn, err := s.Listener.Accept()
		if err != nil {
			s.once.Do(func() { s.err = err; close(s.closed) })
			return
		}
		go s.sort(conn, handle)
	}
}

func (s *splitter) sort(conn net.Conn, handle func(net.Conn)) {
	magic := make([]byte, len(Magic))
	err := conn.SetReadDeadline(time.Now().Add(magicTimeout))
	if err == nil {
		_, err = io.ReadFull(conn, magic)
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return
	}
	if string(magic) == Magic {
		handle(conn)
		return
	}
	// The calls' server judges what is neither.
	select {
	case s.calls <- &begun{Conn: conn, magic: magic}:
	case <-s.closed:
		conn.Close()
	}
}

// Accept answers the next connection that is not a stream's.
func (s *splitter) Accept() (net.Conn, error) {
	select {
	case conn := <-s.calls:
		return conn, nil
	case <-s.closed:
		return nil, s.err
	}
}

func (s *splitter) Close() error {
	s.once.Do(func() { s.err = net.ErrClosed; close(s.closed) })
	return s.Listener.Close()
}

// begun is a connection whose first bytes were read already. One goroutine reads.
type begun struct {
	net.Conn
	magic []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.magic) > 0 {
		n := copy(p, b.magic)
		b.magic = b.magic[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}
