package call

import (
	"context"
	"io"
	"net"
	"sync"
)

// Handler answers a call by its methods, once: by Reply, or by the error that
// it answers. It may run in several goroutines at once.
type Handler func(c *ServerCall) error

// Server answers the calls of connections.
type Server struct {
	handler Handler

	mu       sync.Mutex
	draining bool
	calls    sync.WaitGroup
}

// NewServer makes a server.
func NewServer(h Handler) *Server { return &Server{handler: h} }

// Serve answers the calls of l's connections until l fails; those that are open
// go on. It does not close l.
func (s *Server) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go s.ServeConn(conn)
	}
}

// Drain refuses calls from now on, and returns when those that are under way
// are answered, or ctx has ended.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.calls.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin tells whether a call may begin.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.calls.Add(1)
	}
	return !s.draining
}

// ServeConn answers the calls of one connection, and closes it.
func (s *Server) ServeConn(conn net.Conn) {
	defer conn.Close()
	magic := make([]byte, len(Magic))
	if _, err := io.ReadFull(conn, magic); err != nil || string(magic) != Magic {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// One goroutine reads all the time: so a call learns that its caller has gone.
	frames := make(chan frame)
	go func() {
		defer cancel()
		for {
			f, err := readFrame(conn, maxFrame)
			if err != nil {
				return
			}
			select {
			case frames <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case f := <-frames:
			if !s.answer(ctx, conn, f, frames) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// answer answers one call; false if no other can follow on the connection.
func (s *Server) answer(ctx context.Context, conn net.Conn, f frame, frames <-chan frame) bool {
	method, request, err := parseCall(f)
	if err != nil {
		return false
	}
	if !s.begin() {
		return writeFrame(conn, "", kindFailure, failure(Errorf(Unavailable, "the guest ends")), nil) == nil
	}
	defer s.calls.Done()
	c := &ServerCall{Method: method, ctx: ctx, conn: conn, request: request, frames: frames}
	err = s.handler(c)
	switch {
	case err != nil:
		err = writeFrame(conn, "", kindFailure, failure(err), nil)
	case c.streaming:
		err = writeFrame(conn, "", kindEnd, nil, nil)
	case !c.replied:
		err = writeFrame(conn, "", kindFailure, failure(Errorf(Internal, "%s: no answer", method)), nil)
	}
	return err == nil && !c.streaming
}

// ServerCall is the agent's end of a call.
type ServerCall struct {
	// Method is the name of what is called.
	Method string

	ctx       context.Context
	conn      net.Conn
	request   []byte
	frames    <-chan frame
	replied   bool
	streaming bool
}

// Context ends when the caller has gone.
func (c *ServerCall) Context() context.Context { return c.ctx }

// Request decodes the request.
func (c *ServerCall) Request(m Message) error {
	if err := m.Unmarshal(c.request); err != nil {
		return Errorf(InvalidArgument, "%s: the request: %v", c.Method, err)
	}
	return nil
}

// Reply answers a call, with m if err is nil. A message that is too large to
// send is an error of the call.
func (c *ServerCall) Reply(m Message, err error) error {
	if err != nil {
		return err
	}
	if err := sendable(m, MaxReply); err != nil {
		return err
	}
	// What cannot be sent to a caller that has gone is nobody's concern, and
	// ServeConn sees that it has.
	_ = writeFrame(c.conn, "", kindReply, nil, m)
	c.replied = true
	return nil
}

// Stream makes it a call with streams: SendMsg and RecvMsg may be used.
func (c *ServerCall) Stream() *ServerCall {
	c.streaming = true
	return c
}

// SendMsg sends a message. One goroutine may send while another receives.
func (c *ServerCall) SendMsg(m Message) error {
	if err := sendable(m, MaxReply); err != nil {
		return err
	}
	return writeFrame(c.conn, "", kindMessage, nil, m)
}

// RecvMsg receives the caller's next message; io.EOF when it has said that no
// more come.
func (c *ServerCall) RecvMsg(m Message) error {
	select {
	case f := <-c.frames:
		switch f.kind {
		case kindMessage:
			if err := m.Unmarshal(f.data); err != nil {
				return Errorf(InvalidArgument, "%s: a message: %v", c.Method, err)
			}
			return nil
		case kindEnd:
			return io.EOF
		}
		return Errorf(InvalidArgument, "%s: %w", c.Method, errFrame)
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// Unknown is a handler's answer to a method that it does not have.
func (c *ServerCall) Unknown() error {
	return Errorf(Unimplemented, "the agent has no call %q", c.Method)
}
