package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"sync/atomic"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

func TestOutputIsByteExact(t *testing.T) {
	data := random(100_000_001)
	each(t, func(t *testing.T, tr transport) {
		o := NewOutput(DefaultWindow)
		go func() {
			// Half by each way to write.
			half := len(data) / 2
			if _, err := o.Write(data[:half]); err != nil {
				t.Error(err)
			}
			if n, err := o.ReadFrom(bytes.NewReader(data[half:])); err != nil || n != int64(len(data)-half) {
				t.Errorf("ReadFrom = %d, %v", n, err)
			}
			o.Close()
		}()
		client, served := open(t, tr, hello(agentpb.Stream_STDOUT, 0), serveOutput(context.Background(), o))
		got := newSink()
		if err := client.CopyTo(got); err != nil {
			t.Fatal(err)
		}
		got.same(t, data)
		if err := wait(t, served); err != nil {
			t.Errorf("Serve = %v", err)
		}
		wait(t, o.Drained())
	})
}

// stall takes some bytes and then nothing until it is released.
type stall struct {
	taken   atomic.Int64
	full    int64
	release chan struct{}
}

func (s *stall) Write(p []byte) (int, error) {
	if s.taken.Add(int64(len(p))) >= s.full {
		<-s.release
	}
	return len(p), nil
}

func TestSlowReaderBlocksTheWriter(t *testing.T) {
	const window = 128 << 10
	o := NewOutput(window)
	client, served := open(t, unixSockets, hello(agentpb.Stream_STDOUT, 0), serveOutput(context.Background(), o))
	reader := &stall{full: 1, release: make(chan struct{})}
	copied := make(chan error, 1)
	go func() { copied <- client.CopyTo(reader) }()

	data := random(10 << 20)
	if n, err := o.Write(data[:window]); n != window || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	written := make(chan error, 1)
	go func() {
		_, err := o.Write(data[window:])
		o.Close()
		written <- err
	}()
	// The reader holds its first piece and acknowledges nothing: the writer
	// cannot have gone further than the window, ever.
	o.mu.Lock()
	if o.ring.start != 0 || o.ring.len() != window || len(o.ring.buf) != window {
		t.Errorf("start %d, %d bytes kept in %d, want 0 and the window %d", o.ring.start, o.ring.len(), len(o.ring.buf), window)
	}
	o.mu.Unlock()
	select {
	case <-written:
		t.Error("the writer was not held back")
	default:
	}
	close(reader.release)
	for _, c := range []chan error{written, copied, served} {
		if err := wait(t, c); err != nil {
			t.Error(err)
		}
	}
	if got := reader.taken.Load(); got != int64(len(data)) {
		t.Errorf("%d bytes, want %d", got, len(data))
	}
}

// vanish is a writer that breaks its client's connection after some bytes.
type vanish struct {
	io.Writer
	left   int
	client *Client
	offset *uint64
}

func (v *vanish) Write(p []byte) (int, error) {
	n, err := v.Writer.Write(p)
	*v.offset += uint64(n)
	if v.left -= n; v.left <= 0 {
		v.client.Close()
	}
	return n, err
}

func TestOutputGoesOnWithAnotherClient(t *testing.T) {
	data := random(20_000_003)
	each(t, func(t *testing.T, tr transport) {
		rnd := rand.New(rand.NewSource(1))
		o := NewOutput(DefaultWindow)
		go func() {
			o.Write(data)
			o.Close()
		}()
		got := newSink()
		var offset uint64
		clients := 0
		for {
			client, served := open(t, tr, hello(agentpb.Stream_STDOUT, offset), serveOutput(context.Background(), o))
			if client.Offset() != offset {
				t.Fatalf("offset %d, want %d", client.Offset(), offset)
			}
			clients++
			reader := &vanish{got, rnd.Intn(1 << 20), client, &offset}
			err := client.CopyTo(reader)
			// Half of the time the next one does not wait for the agent to notice.
			if rnd.Intn(2) == 0 {
				// A client that breaks off with the last byte may have got the
				// end already, and can no longer say so.
				if serveErr := wait(t, served); serveErr != nil && err == nil && reader.left > 0 {
					t.Fatalf("Serve = %v", serveErr)
				}
			}
			if err == nil {
				break
			}
		}
		got.same(t, data)
		if clients < 10 {
			t.Errorf("only %d clients", clients)
		}
	})
}

func TestOutputEndIsNotABrokenConnection(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		o := NewOutput(DefaultWindow)
		ctx, cancel := context.WithCancel(context.Background())
		client, served := open(t, tr, hello(agentpb.Stream_STDERR, 0), serveOutput(ctx, o))
		cancel()
		if err := client.CopyTo(io.Discard); err == nil {
			t.Error("a broken connection is taken for the end")
		}
		if err := wait(t, served); !errors.Is(err, context.Canceled) {
			t.Errorf("Serve = %v", err)
		}
	})
}

func TestOutputRefused(t *testing.T) {
	broken := errors.New("broken pipe")
	each(t, func(t *testing.T, tr transport) {
		o := NewOutput(DefaultWindow)
		written := make(chan error, 1)
		go func() {
			_, err := o.Write(random(10 << 20))
			written <- err
		}()
		client, served := open(t, tr, hello(agentpb.Stream_STDOUT, 0), serveOutput(context.Background(), o))
		r, w := io.Pipe()
		r.CloseWithError(broken)
		if err := client.CopyTo(w); !errors.Is(err, ErrRefused) || !errors.Is(err, broken) {
			t.Errorf("CopyTo = %v", err)
		}
		if err := wait(t, written); err != ErrRefused {
			t.Errorf("Write = %v", err)
		}
		if err := wait(t, served); err != ErrRefused {
			t.Errorf("Serve = %v", err)
		}
		wait(t, o.Drained())
		_, _, err := tryOpen(t, tr, hello(agentpb.Stream_STDOUT, 0), serveOutput(context.Background(), o))
		if call.CodeOf(err) != call.FailedPrecondition {
			t.Errorf("a refused stream can be opened: %v", err)
		}
	})
}

func TestOutputAbort(t *testing.T) {
	o := NewOutput(16)
	written := make(chan error, 1)
	go func() {
		_, err := o.Write(make([]byte, 100))
		written <- err
	}()
	client, served := open(t, unixSockets, hello(agentpb.Stream_STDOUT, 0), serveOutput(context.Background(), o))
	hold := &stall{full: 1, release: make(chan struct{})}
	copied := make(chan error, 1)
	go func() { copied <- client.CopyTo(hold) }()
	o.Abort()
	close(hold.release)
	if err := wait(t, written); err != ErrClosed {
		t.Errorf("Write = %v", err)
	}
	if err := wait(t, served); err != ErrClosed {
		t.Errorf("Serve = %v", err)
	}
	if err := wait(t, copied); err == nil {
		t.Error("CopyTo reports an end")
	}
	wait(t, o.Drained())
}

func TestOutputCanBeServedAgainAfterItsEnd(t *testing.T) {
	o := NewOutput(DefaultWindow)
	o.Write([]byte("last words"))
	o.Close()
	for _, want := range []string{"last words", "", ""} {
		client, served := open(t, unixSockets, hello(agentpb.Stream_STDOUT, 0), serveOutput(context.Background(), o))
		var got bytes.Buffer
		if err := client.CopyTo(&got); err != nil || got.String() != want {
			t.Errorf("got %q, %v, want %q", got.String(), err, want)
		}
		if err := wait(t, served); err != nil {
			t.Error(err)
		}
	}
}

func TestOutputOffsetBeyondTheStream(t *testing.T) {
	o := NewOutput(DefaultWindow)
	o.Write([]byte("abc"))
	_, served, err := tryOpen(t, unixSockets, hello(agentpb.Stream_STDOUT, 4), serveOutput(context.Background(), o))
	if call.CodeOf(err) != call.FailedPrecondition {
		t.Errorf("Attach = %v", err)
	}
	if err := wait(t, served); !errors.Is(err, ErrProtocol) {
		t.Errorf("Serve = %v", err)
	}
	// It has lost nothing.
	client, _ := open(t, unixSockets, hello(agentpb.Stream_STDOUT, 1), serveOutput(context.Background(), o))
	o.Close()
	var got bytes.Buffer
	if err := client.CopyTo(&got); err != nil || got.String() != "bc" {
		t.Errorf("got %q, %v", got.String(), err)
	}
}

func TestAcknowledgementsOutOfRange(t *testing.T) {
	for _, positions := range [][]byte{
		{0, 0, 0, 0, 0, 0, 0, 4},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe},
		{0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		o := NewOutput(DefaultWindow)
		o.Write([]byte("abc"))
		conn, agent := unixSockets(t)
		served := make(chan error, 1)
		go func() { served <- o.Serve(context.Background(), agent, 0) }()
		if _, err := readMessage(conn); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, frameHeader+3)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(positions); err != nil {
			t.Fatal(err)
		}
		if err := wait(t, served); !errors.Is(err, ErrProtocol) {
			t.Errorf("Serve after %v = %v", positions, err)
		}
		conn.Close()
	}
}

func TestSecondClientReplacesTheFirst(t *testing.T) {
	each(t, func(t *testing.T, tr transport) {
		o := NewOutput(DefaultWindow)
		first, served := open(t, tr, hello(agentpb.Stream_STDOUT, 0), serveOutput(context.Background(), o))
		second, _ := open(t, tr, hello(agentpb.Stream_STDOUT, 0), serveOutput(context.Background(), o))
		if err := wait(t, served); err != ErrReplaced {
			t.Errorf("the first Serve = %v", err)
		}
		if err := first.CopyTo(io.Discard); err == nil {
			t.Error("the first client got an end")
		}
		o.Write([]byte("x"))
		o.Close()
		var got bytes.Buffer
		if err := second.CopyTo(&got); err != nil || got.String() != "x" {
			t.Errorf("the second client got %q, %v", got.String(), err)
		}
	})
}
