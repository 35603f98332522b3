package serial

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"
)

// The guest's reader does not get more memory out of the host than a window.
func TestHostileGuest(t *testing.T) {
	frame := func(kind uint8, flags uint16, id, length uint32) []byte {
		h := newHeader(kind, flags, id, length)
		return h[:]
	}
	pings := bytes.Repeat(frame(typePing, flagSYN, 0, 1), 4*maxQueued)
	for name, said := range map[string][]byte{
		"another version":         {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"an unknown type":         frame(9, 0, 1, 0),
		"more than was allowed":   frame(typeData, flagACK, 1, baseWindow+1),
		"too large a window":      frame(typeWindow, flagACK, 1, 1<<31),
		"a number of ours":        frame(typeWindow, flagSYN, 1, 0),
		"questions, deaf to us":   pings,
		"connections, deaf to us": opens(4 * maxQueued),
	} {
		t.Run(name, func(t *testing.T) {
			a, b := sockets(t)
			host := Client(a)
			defer host.Close()
			if _, err := host.Open(nil); err != nil {
				t.Fatal(err)
			}
			go b.Write(said)
			select {
			case <-host.Done():
			case <-time.After(time.Minute):
				t.Fatal("the session goes on")
			}
			if err := host.Err(); !errors.Is(err, ErrProtocol) {
				t.Errorf("Err = %v", err)
			}
		})
	}
}

// opens are frames of a guest that opens connections.
func opens(n int) []byte {
	var all []byte
	for i := range n {
		h := newHeader(typeWindow, flagSYN, uint32(2*i+2), 0)
		all = append(all, h[:]...)
	}
	return all
}

// script is a port from which a fuzzer's bytes come, and into which all goes.
type script struct {
	io.Reader
}

func (script) Write(p []byte) (int, error) { return len(p), nil }

func (script) Close() error { return nil }

func FuzzSession(f *testing.F) {
	data := newHeader(typeData, flagSYN, 1, 3)
	f.Add(append(data[:], 'a', 'b', 'c'), true)
	update := newHeader(typeWindow, flagACK|flagFIN, 1, 3)
	f.Add(update[:], false)
	f.Fuzz(func(t *testing.T, data []byte, guest bool) {
		var s *Session
		port := script{bytes.NewReader(data)}
		if guest {
			s = Server(port)
		} else {
			s = Client(port)
			c, err := s.Open(nil)
			if err == nil {
				c.Close()
			}
		}
		<-s.Done()
		var held int
		for range len(s.accepts) {
			c := <-s.accepts
			held += c.ring.Size()
			if c.ring.Len()+c.granted > baseWindow {
				t.Errorf("connection %d may bring %d bytes more", c.id, c.granted)
			}
		}
		if held > 4096*len(data)+maxWaiting*4096 {
			t.Errorf("%d bytes made us hold %d", len(data), held)
		}
		s.Close()
	})
}

func TestHeader(t *testing.T) {
	h := newHeader(typeWindow, flagFIN, 7, 9)
	if h[0] != 0 || h.kind() != typeWindow || h.flags() != flagFIN || h.stream() != 7 || h.length() != 9 ||
		binary.BigEndian.Uint32(h[8:]) != 9 {
		t.Errorf("%v", &h)
	}
}
