package serial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// ErrProtocol is the end of a session whose other side does not keep to the
// format.
var ErrProtocol = errors.New("the other side broke the multiplexing protocol")

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// maxWaiting is how many connections may be opened and not yet accepted.
const maxWaiting = 256

// Session carries many connections over one port, in the format of yamux. One
// side is the client, which opens connections, and the other the server, which
// accepts them: it is a net.Listener.
//
// No time-out ends a session because the guest is slow or paused: the host
// learns from QEMU's end of the socket that the VM has died.
type Session struct {
	port   io.ReadWriteCloser
	reader *bufio.Reader
	client bool
	// most is how much a frame carries, window what a connection may receive
	// without our having read it, once it has proved to be busy.
	most, window int

	mu      sync.Mutex
	conns   map[uint32]*Conn
	next    uint32
	err     error // why it has ended
	called  bool  // the host has asked for another session
	pings   map[uint32]chan struct{}
	pingID  uint32
	ended   chan struct{}
	waiting chan struct{} // a token for each that is not accepted yet
	accepts chan *Conn

	sender
	reading chan struct{} // closed when nothing reads the port any more
}

// Client makes the host's end of a session. It lets the guest open no
// connections: those would fill our memory.
func Client(port io.ReadWriteCloser) *Session {
	s := newSession(port, bufio.NewReaderSize(port, hostBuffer))
	s.client, s.next = true, 1
	s.most, s.window = hostFrame, hostWindow
	s.control(newHeader(typeGoAway, 0, 0, 0))
	s.start()
	return s
}

const (
	// hostBuffer is the size of reads from the port in bytes: two frames.
	hostBuffer = 64 << 10
	// hostFrame is how much of a connection's data goes to the guest at a time
	// before another's gets its turn.
	hostFrame = 64<<10 - HeaderSize
	// hostWindow is how much of a busy connection may lie in the proxy because
	// its client does not read.
	hostWindow = 1 << 20

	// guestBuffer: a read from the guest's port answers one buffer of the
	// driver, a page (drivers/char/virtio_console.c, fill_queue).
	guestBuffer = 4 << 10
	// guestFrame with its header is the most that one write to the guest's port
	// takes (ibid., port_fops_write), and one access of the device.
	guestFrame = 32<<10 - HeaderSize
	// guestWindow is what the longest frame may be that a guest gets, see Resync.
	guestWindow = baseWindow
)

// server makes the guest's end.
func server(port io.ReadWriteCloser, reader *bufio.Reader) *Session {
	s := newSession(port, reader)
	s.next = 2
	s.most, s.window = guestFrame, guestWindow
	s.start()
	return s
}

// Server makes the guest's end on a connection that is not shared with
// sessions before or after it.
func Server(port io.ReadWriteCloser) *Session {
	return server(port, bufio.NewReaderSize(port, guestBuffer))
}

func newSession(port io.ReadWriteCloser, reader *bufio.Reader) *Session {
	s := &Session{
		port: port, reader: reader, conns: map[uint32]*Conn{}, pings: map[uint32]chan struct{}{},
		ended: make(chan struct{}), waiting: make(chan struct{}, maxWaiting), accepts: make(chan *Conn, maxWaiting),
		reading: make(chan struct{}),
	}
	s.sender.init(port, s.fail)
	return s
}

func (s *Session) start() {
	go s.sender.run()
	go func() {
		defer close(s.reading)
		s.fail(s.read())
	}()
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.ended }

// Err answers why it has ended: io.EOF if the other end was closed,
// net.ErrClosed after Close. Nil before.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail ends the session, and all its connections; the first cause counts.
func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	close(s.ended)
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	s.sender.stop()
	s.port.Close() // its error is the session's end all the same
	for _, c := range conns {
		c.sever()
	}
}

// Close ends the session and returns when nothing of it uses the port.
func (s *Session) Close() error {
	s.fail(net.ErrClosed)
	<-s.reading
	s.sender.wait()
	return nil
}

// Open opens a connection; the other side learns of it by the first byte that
// is written. sink may be nil, see Conn.
func (s *Session) Open(sink func(p []byte) int) (*Conn, error) {
	select {
	case s.waiting <- struct{}{}:
	case <-s.ended:
		return nil, s.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if s.next >= 1<<31 {
		return nil, errors.New("the session has used up its numbers for connections")
	}
	c := s.conn(s.next, flagSYN)
	c.sink, c.token = sink, true
	s.next += 2
	return c, nil
}

// conn makes a connection whose first frame says how it came to be. mu is held.
func (s *Session) conn(id uint32, first uint16) *Conn {
	c := &Conn{session: s, id: id, first: first, credit: baseWindow, granted: baseWindow}
	c.changed.L = &c.mu
	c.ring.Max = s.window
	s.conns[id] = c
	return c
}

// Accept implements net.Listener.
func (s *Session) Accept() (net.Conn, error) {
	select {
	case c := <-s.accepts:
		return c, nil
	case <-s.ended:
		return nil, s.Err()
	}
}

// Addr implements net.Listener.
func (s *Session) Addr() net.Addr { return address{} }

// Ping returns when the other side has answered, and so has got all that was
// written before.
func (s *Session) Ping(ctx context.Context) error {
	answered := make(chan struct{})
	s.mu.Lock()
	s.pingID++
	id := s.pingID
	s.pings[id] = answered
	s.mu.Unlock()
	s.control(newHeader(typePing, flagSYN, 0, id))
	select {
	case <-answered:
		return nil
	case <-s.ended:
		return s.Err()
	case <-ctx.Done():
		s.mu.Lock()
		delete(s.pings, id)
		s.mu.Unlock()
		return ctx.Err()
	}
}

// remove forgets a connection that both sides have closed.
func (s *Session) remove(id uint32) {
	s.mu.Lock()
	delete(s.conns, id)
	s.mu.Unlock()
}

// address is what there is to say about where a connection comes from.
type address struct{}

func (address) Network() string { return "serial" }
func (address) String() string  { return "serial port" }
