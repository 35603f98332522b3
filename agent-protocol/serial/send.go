package serial

import (
	"io"
	"net"
	"sync"
)

// maxQueued is how many frames may wait because the other side reads nothing:
// each connection has few at a time, so only one that asks and does not listen
// gets there.
const maxQueued = 8 << 10

// sender writes frames to the port: data from the goroutines that have some,
// everything else by one of its own, so that whoever reads the port never waits
// for the other side to read.
type sender struct {
	port io.Writer
	fail func(error)
	// writing is held for each write: whole frames.
	writing sync.Mutex

	queueMu sync.Mutex
	changed sync.Cond
	queue   []byte // frames without data
	stopped bool
	done    chan struct{}
}

func (s *sender) init(port io.Writer, fail func(error)) {
	s.port, s.fail, s.done = port, fail, make(chan struct{})
	s.changed.L = &s.queueMu
}

// write writes one frame with data, behind those without that wait.
func (s *sender) write(frame []byte) error {
	s.writing.Lock()
	err := s.flush()
	if err == nil {
		_, err = s.port.Write(frame)
	}
	s.writing.Unlock()
	if err != nil {
		s.fail(err)
	}
	return err
}

// flush writes the frames that wait. writing is held. It fails after stop: whoever
// gets the turn then might write into the next session, which has the same port.
func (s *sender) flush() error {
	s.queueMu.Lock()
	if s.stopped {
		s.queueMu.Unlock()
		return net.ErrClosed
	}
	waiting := s.queue
	s.queue = nil
	s.queueMu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	_, err := s.port.Write(waiting)
	return err
}

// control sends a frame without data, some time.
func (s *sender) control(h header) error {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	if len(s.queue) >= maxQueued*HeaderSize {
		return protocolError("it asks for answers and does not read them")
	}
	s.queue = append(s.queue, h[:]...)
	s.changed.Signal()
	return nil
}

func (s *sender) run() {
	defer close(s.done)
	for {
		s.queueMu.Lock()
		for len(s.queue) == 0 && !s.stopped {
			s.changed.Wait()
		}
		stopped := s.stopped
		s.queueMu.Unlock()
		if stopped {
			return
		}
		s.writing.Lock()
		err := s.flush()
		s.writing.Unlock()
		if err != nil {
			s.fail(err)
			return
		}
	}
}

func (s *sender) stop() {
	s.queueMu.Lock()
	s.stopped = true
	s.changed.Signal()
	s.queueMu.Unlock()
}

// wait returns when nothing is being written; after stop, and when writes to
// the port fail.
func (s *sender) wait() {
	<-s.done
	s.writing.Lock()
	//lint:ignore SA2001 it is only to be known that it was free
	s.writing.Unlock()
}
