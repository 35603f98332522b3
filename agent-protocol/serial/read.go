package serial

import "io"

// read takes frames until the port ends or the other side breaks the protocol.
func (s *Session) read() error {
	for {
		// A call for a new session is not a frame.
		first, err := s.reader.Peek(1)
		if err != nil {
			return err
		}
		if first[0] == fill && !s.client {
			s.mu.Lock()
			s.called = true
			s.mu.Unlock()
			return io.EOF
		}
		var h header
		if _, err := io.ReadFull(s.reader, h[:]); err != nil {
			return err
		}
		if h[0] != 0 {
			return protocolError("version %d", h[0])
		}
		if err := s.frame(&h); err != nil {
			return err
		}
	}
}

func (s *Session) frame(h *header) error {
	switch h.kind() {
	case typeData, typeWindow:
	case typePing:
		return s.pinged(h)
	case typeGoAway:
		// Which connections there are is the client's business anyway.
		return nil
	default:
		return protocolError("%v", h)
	}
	s.mu.Lock()
	c := s.conns[h.stream()]
	s.mu.Unlock()
	if h.flags()&flagSYN != 0 {
		if c != nil || s.client == (h.stream()%2 == 1) {
			return protocolError("%v: the number is taken", h)
		}
		var err error
		if c, err = s.incoming(h.stream()); err != nil {
			return err
		}
	}
	if c == nil {
		// It was closed, by both sides as we see it.
		if h.kind() == typeData {
			_, err := io.CopyN(io.Discard, s.reader, int64(h.length()))
			return err
		}
		return nil
	}
	if h.flags()&flagACK != 0 {
		c.accepted()
	}
	if h.kind() == typeWindow {
		if err := c.addCredit(h.length()); err != nil {
			return err
		}
	} else if err := c.receive(s.reader, int(h.length())); err != nil {
		return err
	}
	if h.flags()&(flagFIN|flagRST) != 0 {
		c.ended(h.flags()&flagRST != 0)
	}
	return nil
}

// incoming answers a connection that the other side has opened; nil if it must
// not, which that is told.
func (s *Session) incoming(id uint32) (*Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client || s.err != nil || len(s.accepts) == cap(s.accepts) {
		return nil, s.control(newHeader(typeWindow, flagRST, id, 0))
	}
	c := s.conn(id, flagACK)
	// The first frame of an answer would accept it, and may be long in coming
	// (WaitProcess). Until then it has one of the client's few places.
	if len(s.conns) > maxWaiting/2 {
		c.first = 0
		if err := s.control(newHeader(typeWindow, flagACK, id, 0)); err != nil {
			return nil, err
		}
	}
	s.accepts <- c // by this goroutine alone, so there is room still
	return c, nil
}

func (s *Session) pinged(h *header) error {
	if h.flags()&flagSYN != 0 {
		return s.control(newHeader(typePing, flagACK, 0, h.length()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if answered := s.pings[h.length()]; answered != nil {
		close(answered)
		delete(s.pings, h.length())
	}
	return nil
}
