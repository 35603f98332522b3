package stream

import (
	"context"
	"net"
	"sync"
	"time"
)

// session is one client's connection. A stream has at most one: a second
// pushes the first out and waits until it no longer touches the stream.
type session struct {
	conn net.Conn
	done chan struct{}
	// err ends the session; the first one counts.
	err error
}

// sessions is the part of Output and Input that keeps to one client. Its
// fields are guarded by mu, which guards the stream around it as well.
type sessions struct {
	mu      sync.Mutex
	changed sync.Cond
	current *session
}

// enter makes conn the stream's only connection. mu is held on return.
func (s *sessions) enter(conn net.Conn) *session {
	own := &session{conn: conn, done: make(chan struct{})}
	s.mu.Lock()
	for s.current != nil {
		old := s.current
		s.end(old, ErrReplaced)
		s.mu.Unlock()
		<-old.done
		s.mu.Lock()
	}
	s.current = own
	return own
}

// end ends a session: its connection is closed, so that nobody blocks on it.
// mu is held.
func (s *sessions) end(own *session, err error) {
	if own.err == nil {
		own.err = err
	}
	shut(own.conn)
	s.changed.Broadcast()
}

// leave ends a session that enter began. mu is held, and released on return.
func (s *sessions) leave(own *session) {
	shut(own.conn)
	s.current = nil
	close(own.done)
	s.mu.Unlock()
}

// watch ends the session when ctx ends; the answer stops that.
func (s *sessions) watch(ctx context.Context, own *session) func() bool {
	return context.AfterFunc(ctx, func() {
		s.mu.Lock()
		s.end(own, ctx.Err())
		s.mu.Unlock()
	})
}

// shut closes a connection and unblocks who uses it, whatever its kind.
func shut(conn net.Conn) {
	// Errors mean that it is broken already.
	_ = conn.SetDeadline(time.Unix(1, 0))
	_ = conn.Close()
}
