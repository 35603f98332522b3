package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

func TestInputIsByteExact(t *testing.T) {
	data := random(100_000_001)
	each(t, func(t *testing.T, tr transport) {
		got := newSink()
		in := NewInput(got)
		client, served := open(t, tr, hello(agentpb.Stream_STDIN, 0), serveInput(context.Background(), in))
		if err := client.CopyFrom(bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		got.same(t, data)
		if !got.closed {
			t.Error("the client's success came before the input was closed")
		}
		if err := wait(t, served); err != nil {
			t.Errorf("Serve = %v", err)
		}
		wait(t, in.Done())
	})
}

// slowSink takes nothing until it is released, or closed.
type slowSink struct {
	*sink
	release, shut chan struct{}
}

func (s *slowSink) Write(p []byte) (int, error) {
	select {
	case <-s.release:
		return s.sink.Write(p)
	case <-s.shut:
		return 0, io.ErrClosedPipe
	}
}

func (s *slowSink) Close() error {
	close(s.shut)
	return s.sink.Close()
}

func newSlowSink() *slowSink {
	return &slowSink{newSink(), make(chan struct{}), make(chan struct{})}
}

// counting counts what was read from it.
type counting struct {
	io.Reader
	read chan int
	left int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.left -= n; c.left <= 0 && c.read != nil {
		close(c.read)
		c.read = nil
	}
	return n, err
}

func TestSlowProcessHoldsTheClientBack(t *testing.T) {
	data := random(10 << 20)
	each(t, func(t *testing.T, tr transport) {
		got := newSlowSink()
		in := NewInput(got)
		client, served := open(t, tr, hello(agentpb.Stream_STDIN, 0), serveInput(context.Background(), in))
		source := &counting{Reader: bytes.NewReader(data), read: make(chan int), left: DefaultWindow}
		windowRead := source.read
		sent := make(chan error, 1)
		go func() { sent <- client.CopyFrom(source) }()
		wait(t, windowRead)
		select {
		case <-sent:
			t.Error("the client was not held back")
		default:
		}
		in.mu.Lock()
		if len(in.ring.buf) > DefaultWindow {
			t.Errorf("%d bytes of memory", len(in.ring.buf))
		}
		in.mu.Unlock()
		close(got.release)
		for _, c := range []chan error{sent, served} {
			if err := wait(t, c); err != nil {
				t.Error(err)
			}
		}
		got.same(t, data)
	})
}

func TestInputGoesOnWithAnotherClient(t *testing.T) {
	data := random(20_000_003)
	each(t, func(t *testing.T, tr transport) {
		rnd := rand.New(rand.NewSource(2))
		got := newSink()
		in := NewInput(got)
		clients := 0
		for {
			client, served := open(t, tr, hello(agentpb.Stream_STDIN, 0), serveInput(context.Background(), in))
			clients++
			source := io.Reader(bytes.NewReader(data[client.Offset():]))
			left := rnd.Intn(1 << 20)
			if uint64(left) < uint64(len(data))-client.Offset() {
				source = io.MultiReader(io.LimitReader(source, int64(left)), failing{})
			}
			err := client.CopyFrom(source)
			if rnd.Intn(2) == 0 {
				if serveErr := wait(t, served); serveErr == nil && err != nil {
					t.Fatalf("a broken connection was taken for the end: %v", err)
				}
			}
			if err == nil {
				break
			}
			if !errors.Is(err, errVanish) {
				t.Fatal(err)
			}
			select {
			case <-in.Done():
				t.Fatal("the input was closed by a broken connection")
			default:
			}
		}
		got.same(t, data)
		if clients < 10 {
			t.Errorf("only %d clients", clients)
		}
	})
}

var errVanish = errors.New("vanished")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errVanish }

func TestInputRefusedWhenTheProcessEnds(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		in := NewInput(newSlowSink())
		client, served := open(t, tr, hello(agentpb.Stream_STDIN, 0), serveInput(context.Background(), in))
		r, w := io.Pipe()
		sent := make(chan error, 1)
		go func() { sent <- client.CopyFrom(r) }()
		if _, err := w.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		in.Abort()
		wait(t, client.Refused())
		r.Close() // what a shim does with its standard input
		if err := wait(t, sent); err != ErrRefused {
			t.Errorf("CopyFrom = %v", err)
		}
		if err := wait(t, served); err != ErrRefused {
			t.Errorf("Serve = %v", err)
		}
		_, _, err := tryOpen(t, tr, hello(agentpb.Stream_STDIN, 0), serveInput(context.Background(), in))
		if call.CodeOf(err) != call.FailedPrecondition {
			t.Errorf("a closed input can be opened: %v", err)
		}
	})
}

func TestInputRefusedWhenThePipeBreaks(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		r, w := io.Pipe()
		r.Close()
		in := NewInput(w)
		client, served := open(t, tr, hello(agentpb.Stream_STDIN, 0), serveInput(context.Background(), in))
		if err := client.CopyFrom(bytes.NewReader(random(5 << 20))); err != ErrRefused {
			t.Errorf("CopyFrom = %v", err)
		}
		if err := wait(t, served); err != ErrRefused {
			t.Errorf("Serve = %v", err)
		}
	})
}

func TestEndClosesBehindWhatWasReceived(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		got := newSlowSink()
		in := NewInput(got)
		client, served := open(t, tr, hello(agentpb.Stream_STDIN, 0), serveInput(context.Background(), in))
		in.mu.Lock()
		in.ring.grow(copy(in.ring.free(5), "hello")) // as if received
		in.pump()
		in.mu.Unlock()
		in.End()
		r, w := io.Pipe()
		defer w.Close()
		sent := make(chan error, 1)
		go func() { sent <- client.CopyFrom(r) }()
		wait(t, client.Refused())
		r.Close()
		if err := wait(t, sent); err != ErrRefused {
			t.Errorf("CopyFrom = %v", err)
		}
		if err := wait(t, served); err != ErrRefused {
			t.Errorf("Serve = %v", err)
		}
		close(got.release)
		wait(t, in.Done())
		got.same(t, []byte("hello"))
	})
}

func TestEndWithoutAClient(t *testing.T) {
	got := newSink()
	in := NewInput(got)
	in.End()
	wait(t, in.Done())
	in.End()
	in.Abort()
	if !got.closed {
		t.Error("not closed")
	}
}

func TestEndOfInputIsConfirmedAgain(t *testing.T) {
	in := NewInput(newSink())
	for range 2 {
		client, served := open(t, unixSockets, hello(agentpb.Stream_STDIN, 0), serveInput(context.Background(), in))
		if err := client.CopyFrom(bytes.NewReader(nil)); err != nil {
			t.Error(err)
		}
		if err := wait(t, served); err != nil {
			t.Error(err)
		}
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	for name, frames := range map[string][]byte{
		"too long":       {0, 1, 0, 1},
		"behind the end": {0, 0, 0, 0, 0, 0, 0, 1, 'x'},
	} {
		in := NewInput(newSink())
		conn, agent := unixSockets(t)
		served := make(chan error, 1)
		go func() { served <- in.Serve(context.Background(), agent) }()
		if _, err := readMessage(conn); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(frames); err != nil {
			t.Fatal(err)
		}
		err := wait(t, served)
		// The end may be confirmed before what is behind it is seen.
		if !errors.Is(err, ErrProtocol) && !(name == "behind the end" && err == nil) {
			t.Errorf("%s: Serve = %v", name, err)
		}
		conn.Close()
	}
}
