package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// Output is the agent's end of a process's standard output or error: what one
// goroutine writes goes to the client of the moment, and is kept until that
// has acknowledged it. All methods may be called by any goroutine, but Write
// and ReadFrom by one at a time.
type Output struct {
	sessions
	spool   spool
	closed  bool // no more bytes follow
	aborted bool
	refused bool
	drained chan struct{}
	isDone  bool
}

// NewOutput makes an output that keeps at most window bytes.
func NewOutput(window int) *Output {
	o := &Output{spool: spool{max: window}, drained: make(chan struct{})}
	o.changed.L = &o.mu
	return o
}

// Write returns when all of p is kept: it blocks while the window is full.
// After Abort it answers ErrClosed, after a refusal ErrRefused: the caller then
// closes the pipe that it reads from, so that the process gets its SIGPIPE.
func (o *Output) Write(p []byte) (int, error) {
	total := 0
	for {
		o.mu.Lock()
		if err := o.waitForRoom(); err != nil || len(p) == 0 {
			o.mu.Unlock()
			return total, err
		}
		n := 0
		for _, part := range o.spool.free(len(p)) {
			n += copy(part, p[n:])
		}
		o.spool.grow(n)
		o.changed.Broadcast()
		o.mu.Unlock()
		p = p[n:]
		total += n
		if len(p) == 0 {
			return total, nil
		}
	}
}

// Vectored is a reader that can fill several pieces of memory at once.
type Vectored interface {
	ReadVector(pieces [][]byte) (int, error)
}

// ReadFrom implements io.ReaderFrom: it reads r to its end, straight into the
// frames that are sent, and returns as Write does. If r is Vectored it is asked
// for as much as there may be: who writes to a pipe is woken by each read.
func (o *Output) ReadFrom(r io.Reader) (int64, error) {
	vectored, many := r.(Vectored)
	var total int64
	// It starts small and grows when a read has brought all that was asked for:
	// an idle stream holds little memory.
	want := blockMin - headroom
	for {
		o.mu.Lock()
		if err := o.waitForRoom(); err != nil {
			o.mu.Unlock()
			return total, err
		}
		pieces := o.spool.free(want)
		o.mu.Unlock()
		// The pieces are nobody else's until grow adds them, or drop forgets them.
		var n int
		var err error
		if many {
			n, err = vectored.ReadVector(pieces)
		} else {
			n, err = r.Read(pieces[0])
		}
		total += int64(n)
		full := n >= len(pieces[0])
		o.mu.Lock()
		if !o.aborted && !o.refused && !o.closed {
			o.spool.grow(n)
			o.changed.Broadcast()
		}
		o.mu.Unlock()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		switch {
		case full && many:
			want = readMost
		case full:
			want = blockMax - headroom
		case n < blockMin:
			want = blockMin - headroom
		}
	}
}

// readMost is how much is read at a time, in bytes: what a busy pipe holds.
const readMost = 512 << 10

// waitForRoom returns when at least one byte fits. mu is held.
func (o *Output) waitForRoom() error {
	for {
		switch {
		case o.aborted || o.closed:
			return ErrClosed
		case o.refused:
			return ErrRefused
		case o.spool.room() > 0:
			return nil
		}
		o.changed.Wait()
	}
}

// Close says that nothing follows: the client gets the stream's end after what
// is kept.
func (o *Output) Close() {
	o.mu.Lock()
	o.closed = true
	o.changed.Broadcast()
	o.mu.Unlock()
}

// Abort drops what is kept and ends every Serve, now and later.
func (o *Output) Abort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.aborted = true
	o.spool.drop()
	o.finish()
	if o.current != nil {
		o.end(o.current, ErrClosed)
	}
	o.changed.Broadcast()
}

// Drained is closed when the client has acknowledged everything with the end,
// or has refused it, or after Abort: nothing is kept then.
func (o *Output) Drained() <-chan struct{} { return o.drained }

// Refused tells whether the client said that nobody takes the stream.
func (o *Output) Refused() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused
}

// finish closes drained. mu is held.
func (o *Output) finish() {
	if !o.isDone {
		o.isDone = true
		close(o.drained)
	}
}

// Serve welcomes a client that has offset bytes already and sends it the
// stream, until it has acknowledged the end (nil) or refused (ErrRefused), the
// connection breaks, ctx ends, another Serve takes over (ErrReplaced), or
// Abort (ErrClosed). It closes conn in every case.
func (o *Output) Serve(ctx context.Context, conn net.Conn, offset uint64) error {
	own := o.enter(conn)
	err := o.admit(offset)
	if err != nil {
		o.mu.Unlock()
		_ = Refuse(conn, call.Errorf(call.FailedPrecondition, "%s", err.Error())) // the caller gets the cause
		o.mu.Lock()
		o.leave(own)
		return err
	}
	if offset > o.spool.start {
		o.spool.forget(offset)
		o.changed.Broadcast()
	}
	start, window := o.spool.start, uint32(o.spool.max)
	out := &outputSession{Output: o, session: own, sent: start, next: o.spool.first}
	o.mu.Unlock()
	stop := o.watch(ctx, own)
	defer stop()
	acksDone := make(chan struct{})
	err = writeWelcome(conn, &agentpb.StreamWelcome{Offset: start, Window: window})
	if err == nil {
		go func() {
			defer close(acksDone)
			out.readAcks()
		}()
		if err = out.send(); err != nil {
			// The other end is gone, but what it said last, perhaps a refusal,
			// still comes, and then the end.
			<-acksDone
		}
		o.mu.Lock()
		o.end(own, err)
		o.mu.Unlock()
		<-acksDone
	}
	o.mu.Lock()
	if own.err == nil {
		own.err = err
	}
	err = own.err
	o.leave(own)
	if err == errDone {
		return nil
	}
	return err
}

// admit tells whether a client that has offset bytes can be served. mu is held.
func (o *Output) admit(offset uint64) error {
	switch {
	case o.aborted:
		return ErrClosed
	case o.refused:
		return ErrRefused
	case offset > o.spool.end:
		return protocolError("offset %d is beyond the stream's %d bytes", offset, o.spool.end)
	}
	return nil
}

// errDone ends the session of a client that has acknowledged everything.
var errDone = errors.New("stream is done")

// outputSession is what a Serve knows beside the stream; mu guards it too.
type outputSession struct {
	*Output
	*session
	sent    uint64 // position up to which it is sent
	next    int    // number of the spool's next piece
	sentEnd bool
}

// send sends until the session has ended (nil) or writing fails.
func (s *outputSession) send() error {
	for {
		s.mu.Lock()
		for s.err == nil && s.sent == s.spool.end && !(s.closed && !s.sentEnd) {
			s.changed.Wait()
		}
		if s.err != nil {
			s.mu.Unlock()
			return nil
		}
		part, more := s.spool.take(s.next)
		if more {
			s.next++
			s.sent += uint64(part.len())
		}
		s.sentEnd = !more
		s.mu.Unlock()
		var err error
		if more {
			err = writeFrame(s.conn, part)
		} else {
			_, err = s.conn.Write(make([]byte, frameHeader))
		}
		if more {
			s.mu.Lock()
			s.spool.done(part)
			s.mu.Unlock()
		}
		if err != nil {
			return err
		}
	}
}

// behindWriter is serial.Conn: it puts its header before what it sends.
type behindWriter interface {
	WriteBehind(p []byte) (int, error)
}

// writeFrame sends a piece, with its header before it.
func writeFrame(conn net.Conn, p piece) error {
	data := p.block.data
	binary.BigEndian.PutUint32(data[p.from-frameHeader:], uint32(p.len()))
	if port, ok := conn.(behindWriter); ok {
		_, err := port.WriteBehind(data[p.from-headroom : p.to])
		return err
	}
	_, err := conn.Write(data[p.from-frameHeader : p.to])
	return err
}

// readAcks frees what the client acknowledges, until the session has ended.
func (s *outputSession) readAcks() {
	for {
		position, err := readPosition(s.conn)
		s.mu.Lock()
		if err == nil {
			err = s.acknowledge(position)
		}
		if err != nil {
			if err == ErrRefused || err == errDone {
				s.refused = err == ErrRefused
				s.spool.drop()
				s.finish()
			}
			s.end(s.session, err)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// acknowledge frees what is before position; errDone if that is all. mu is held.
func (s *outputSession) acknowledge(position uint64) error {
	if s.err != nil {
		return s.err
	}
	high := s.sent
	if s.sentEnd {
		high++
	}
	if err := checkPosition(position, s.spool.start, high); err != nil {
		return err
	}
	if position > s.sent {
		return errDone
	}
	s.spool.forget(position)
	s.changed.Broadcast()
	return nil
}
