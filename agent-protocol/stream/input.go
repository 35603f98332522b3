package stream

import (
	"context"
	"io"
	"net"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/ring"
)

// Input is the agent's end of a process's standard input: what the client of
// the moment sends is kept, at most a window of it, and written to the process
// by a goroutine of its own, so that a process that does not read blocks
// nobody else. All methods may be called by any goroutine.
type Input struct {
	sessions
	ring    ring.Ring
	w       io.WriteCloser
	pumping bool
	ended   bool // nothing follows what is kept
	eof     bool // a client said so
	closed  bool // w is closed
	whole   bool // it was closed behind the stream's last byte
	done    chan struct{}
}

// NewInput makes an input that writes to w, and closes it after the stream's
// end, after an error of it, or by Abort. A Close must unblock a Write.
func NewInput(w io.WriteCloser) *Input {
	i := &Input{ring: ring.Ring{Max: DefaultWindow}, w: w, done: make(chan struct{})}
	i.changed.L = &i.mu
	return i
}

// Done is closed when w is.
func (i *Input) Done() <-chan struct{} { return i.done }

// End closes w when what was received is written (the call CloseStdin); what
// a client sends afterwards is refused.
func (i *Input) End() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	i.pump()
	i.changed.Broadcast()
}

// Abort closes w at once: the process has ended, or nobody wants it to get
// more. The client is told that nobody takes the stream.
func (i *Input) Abort() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.shut()
}

// shut closes w and drops what is kept. mu is held.
func (i *Input) shut() {
	if i.closed {
		return
	}
	i.closed = true
	i.ring.Drop()
	// An error has no receiver: the process is gone, or gets its end of input.
	_ = i.w.Close()
	close(i.done)
	i.changed.Broadcast()
}

// pump starts the goroutine that writes to w, once there is something to do.
// mu is held.
func (i *Input) pump() {
	if !i.pumping && !i.closed {
		i.pumping = true
		go i.run()
	}
}

func (i *Input) run() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for {
		for i.ring.Len() == 0 && !i.ended && !i.closed {
			i.changed.Wait()
		}
		if i.closed {
			return
		}
		piece := i.ring.At(i.ring.Start)
		if len(piece) == 0 {
			i.whole = true
			i.shut()
			return
		}
		// Nobody but forget, here, lets these bytes be overwritten.
		i.mu.Unlock()
		n, err := i.w.Write(piece)
		i.mu.Lock()
		if i.closed {
			return
		}
		i.ring.Forget(i.ring.Start + uint64(n))
		i.changed.Broadcast()
		if err != nil {
			i.shut()
			return
		}
	}
}

// gone tells whether nobody takes what a client may send. mu is held.
func (i *Input) gone() bool {
	return i.ended && !i.eof || i.closed && !i.whole
}

// Serve welcomes a client and takes the stream from it, until its end is
// written and w closed (nil), nobody takes more (ErrRefused, which the client
// is told), the connection breaks, ctx ends or another Serve takes over
// (ErrReplaced). Only the client's explicit end is the stream's: after a
// broken connection another client may go on. It closes conn in every case.
func (i *Input) Serve(ctx context.Context, conn net.Conn) error {
	own := i.enter(conn)
	if i.gone() {
		i.mu.Unlock()
		_ = Refuse(conn, call.Errorf(call.FailedPrecondition, "%w", ErrRefused)) // the caller gets the cause
		i.mu.Lock()
		i.leave(own)
		return ErrRefused
	}
	in := &inputSession{Input: i, session: own, offset: i.ring.End}
	window := uint32(i.ring.Max)
	i.mu.Unlock()
	stop := i.watch(ctx, own)
	defer stop()

	received := make(chan struct{})
	err := writeWelcome(conn, &agentpb.StreamWelcome{Offset: in.offset, Window: window})
	i.mu.Lock()
	if err == nil {
		go func() {
			defer close(received)
			err := in.receive()
			i.mu.Lock()
			i.end(own, err)
			i.mu.Unlock()
		}()
		err = in.acknowledge()
		i.end(own, err)
		i.mu.Unlock()
		<-received
		i.mu.Lock()
	} else if own.err != nil {
		err = own.err
	}
	if err == nil {
		err = own.err
	}
	i.leave(own)
	if err == errDone {
		return nil
	}
	return err
}

// inputSession is what a Serve knows beside the stream; mu guards it too.
type inputSession struct {
	*Input
	*session
	offset uint64 // what the welcome said
	sawEnd bool
}

// acknowledge tells the client how far the process is, until the stream ends
// (errDone, ErrRefused) or the session (nil). mu is held, and released while it
// waits or sends.
func (s *inputSession) acknowledge() error {
	s.mu.Unlock()
	acks := startAcks(s.conn, s.offset)
	s.mu.Lock()
	acked := acked{position: s.offset, window: s.ring.Max}
	last, verdict := uint64(0), error(nil)
	for s.err == nil && verdict == nil {
		switch {
		case s.gone():
			last, verdict = refused, ErrRefused
		case s.closed && s.sawEnd:
			last, verdict = s.ring.End+1, errDone
		default:
			if acked.due(s.ring.Start) {
				acks.to(acked.position)
			}
			s.changed.Wait()
		}
	}
	s.mu.Unlock()
	if verdict != nil {
		acks.to(last)
	}
	acks.stop()
	s.mu.Lock()
	return verdict
}

// receive takes frames until the connection breaks or the session ends.
func (s *inputSession) receive() error {
	for {
		n, err := readFrameHeader(s.conn)
		if err != nil {
			return err
		}
		if n == 0 {
			s.mu.Lock()
			if !s.gone() {
				s.sawEnd, s.eof, s.ended = true, true, true
				s.pump()
				s.changed.Broadcast()
			}
			s.mu.Unlock()
			continue
		}
		for n > 0 {
			got, err := s.take(n)
			if err != nil {
				return err
			}
			n -= got
		}
	}
}

// take receives at most n bytes, once there is room for some.
func (s *inputSession) take(n int) (int, error) {
	s.mu.Lock()
	for s.err == nil && !s.gone() && !s.eof && s.ring.Room() == 0 {
		s.changed.Wait()
	}
	switch {
	case s.err != nil:
		defer s.mu.Unlock()
		return 0, s.err
	case s.gone():
		s.mu.Unlock()
		// The client is being told; what it sent before goes nowhere.
		skipped, err := io.CopyN(io.Discard, s.conn, int64(n))
		return int(skipped), broken(err)
	case s.eof:
		s.mu.Unlock()
		return 0, protocolError("%d bytes behind the stream's end", n)
	}
	piece := s.ring.Free(n)
	s.mu.Unlock()
	got, err := s.conn.Read(piece)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && got > 0 {
		s.ring.Grow(got)
		s.pump()
		s.changed.Broadcast()
	}
	if got > 0 {
		err = nil // it comes again with the next read
	}
	return got, broken(err)
}
