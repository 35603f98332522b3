package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Client makes calls. Its methods may be called at the same time. A call whose
// connection breaks fails with Unavailable and is not made again: whether the
// agent has done it nobody knows. A later one makes a new connection.
type Client struct {
	dial func(context.Context) (net.Conn, error)

	mu     sync.Mutex
	idle   []net.Conn
	inUse  map[net.Conn]struct{}
	closed bool
}

// NewClient makes a client, with one connection perhaps that is open already;
// dial makes more when they are needed.
func NewClient(first net.Conn, dial func(context.Context) (net.Conn, error)) *Client {
	c := &Client{dial: dial, inUse: map[net.Conn]struct{}{}}
	if first != nil {
		c.idle = []net.Conn{&fresh{Conn: first}}
	}
	return c
}

// fresh is a connection that has not carried a call yet.
type fresh struct{ net.Conn }

var errClosed = errors.New("the client is closed")

// take answers an idle connection or makes one, and what to write first on it.
func (c *Client) take(ctx context.Context) (conn net.Conn, start string, err error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 && !c.closed {
		conn, c.idle = c.idle[n-1], c.idle[:n-1]
	}
	closed := c.closed
	c.mu.Unlock()
	switch {
	case closed:
		return nil, "", Errorf(Canceled, "%w", errClosed)
	case conn == nil:
		if conn, err = c.dial(ctx); err != nil {
			return nil, "", lost(ctx, err)
		}
		start = Magic
	default:
		if f, ok := conn.(*fresh); ok {
			conn, start = f.Conn, Magic
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return nil, "", Errorf(Canceled, "%w", errClosed)
	}
	c.inUse[conn] = struct{}{}
	return conn, start, nil
}

// give takes a connection back, to be used again or closed.
func (c *Client) give(conn net.Conn, again bool) {
	c.mu.Lock()
	delete(c.inUse, conn)
	if again = again && !c.closed; again {
		c.idle = append(c.idle, conn)
	}
	c.mu.Unlock()
	if !again {
		conn.Close()
	}
}

// Close ends all calls, with Canceled or Unavailable.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, conn := range c.idle {
		conn.Close()
	}
	for conn := range c.inUse {
		conn.Close()
	}
	c.idle = nil
	return nil
}

// past is a deadline that interrupts what is under way.
var past = time.Unix(1, 0)

// Call makes a call with one request and one reply.
func (c *Client) Call(ctx context.Context, method string, request, reply Message) error {
	if err := ctx.Err(); err != nil {
		return ended(err)
	}
	if err := sendable(request, MaxMessage); err != nil {
		return err
	}
	conn, start, err := c.take(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	err = exchange(conn, start, method, request, reply)
	var answer *Error
	answered := err == nil || errors.As(err, &answer)
	c.give(conn, stop() && answered)
	if !answered {
		return lost(ctx, err)
	}
	return err
}

// exchange answers an Error if, and only if, that is what the agent answers.
func exchange(conn net.Conn, start, method string, request, reply Message) error {
	if err := writeFrame(conn, start, kindCall, callPrefix(method), request); err != nil {
		return err
	}
	f, err := readFrame(conn, MaxReply)
	if err != nil {
		return err
	}
	switch f.kind {
	case kindReply:
		if err := decode(f.data, reply); err != nil {
			return fmt.Errorf("the answer to %s: %w", method, err)
		}
		return nil
	case kindFailure:
		return parseFailure(f)
	}
	return fmt.Errorf("%w: kind %d answers %s", errFrame, f.kind, method)
}

// sendable is asked before anything is sent.
func sendable(m Message, limit int) error {
	if m != nil && m.Size() > limit {
		return Errorf(ResourceExhausted, "a message of %d bytes, at most %d are allowed", m.Size(), limit)
	}
	return nil
}

// ended is the error of a call whose context has ended.
func ended(err error) error {
	code := Canceled
	if errors.Is(err, context.DeadlineExceeded) {
		code = DeadlineExceeded
	}
	return &Error{Code: code, Text: err.Error(), Cause: err}
}

// lost is the error of a call that was not answered.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ended(ctx.Err())
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the agent hung up: %w", err)
	}
	return &Error{Code: Unavailable, Text: err.Error(), Cause: err}
}

// Open begins a call with a stream on one side or both. request is the only
// one, if the stream is the agent's alone, or nil. The call ends with ctx, with
// Recv's error, or with Close.
func (c *Client) Open(ctx context.Context, method string, request Message) (*ClientStream, error) {
	if err := sendable(request, MaxMessage); err != nil {
		return nil, err
	}
	conn, start, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	s := &ClientStream{ctx: ctx, conn: conn, client: c}
	s.stop = context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	if err := writeFrame(conn, start, kindCall, callPrefix(method), request); err != nil {
		s.Close()
		return nil, lost(ctx, err)
	}
	return s, nil
}

// ClientStream is the host's end of a call with streams. One goroutine may send
// while another receives.
type ClientStream struct {
	ctx    context.Context
	conn   net.Conn
	client *Client
	stop   func() bool
	once   sync.Once
}

// Close ends the call. Needed only where Recv has not answered an error.
func (s *ClientStream) Close() error {
	s.once.Do(func() {
		s.stop()
		s.client.give(s.conn, false)
	})
	return nil
}

// SendMsg sends a message. After an error, Recv tells why the call ended.
func (s *ClientStream) SendMsg(m Message) error {
	if err := sendable(m, MaxMessage); err != nil {
		return err
	}
	if err := writeFrame(s.conn, "", kindMessage, nil, m); err != nil {
		return lost(s.ctx, err)
	}
	return nil
}

// CloseSend tells the agent that no more messages come.
func (s *ClientStream) CloseSend() error {
	if err := writeFrame(s.conn, "", kindEnd, nil, nil); err != nil {
		return lost(s.ctx, err)
	}
	return nil
}

// RecvMsg receives the next message; io.EOF when the call has ended well.
func (s *ClientStream) RecvMsg(m Message) error {
	err := s.recv(m)
	if err != nil {
		s.Close()
	}
	return err
}

func (s *ClientStream) recv(m Message) error {
	f, err := readFrame(s.conn, MaxReply)
	if err != nil {
		return lost(s.ctx, err)
	}
	switch f.kind {
	case kindMessage:
		if err := decode(f.data, m); err != nil {
			return lost(s.ctx, err)
		}
		return nil
	case kindEnd:
		return io.EOF
	case kindFailure:
		return parseFailure(f)
	}
	return lost(s.ctx, fmt.Errorf("%w: kind %d in a stream", errFrame, f.kind))
}

// Context is the call's.
func (s *ClientStream) Context() context.Context { return s.ctx }
