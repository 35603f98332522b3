package serial

import (
	"bytes"
	"errors"
	"net"
	"testing"
)

// A writer that gets its turn when its session has ended must leave the port
// alone: a guest's is the next session's.
func TestNothingIsWrittenAfterTheEnd(t *testing.T) {
	var port bytes.Buffer
	var s sender
	s.init(&port, func(error) {})
	if err := s.control(newHeader(typePing, flagACK, 0, 1)); err != nil {
		t.Fatal(err)
	}
	s.writing.Lock() // another's write is under way
	late := make(chan error, 1)
	go func() { late <- s.write([]byte("late")) }()
	s.stop()
	s.writing.Unlock()
	if err := <-late; !errors.Is(err, net.ErrClosed) {
		t.Errorf("write = %v", err)
	}
	if port.Len() > 0 {
		t.Errorf("%q was written", port.Bytes())
	}
}
