package stream

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// Client is the host's end of one stream.
type Client struct {
	conn    net.Conn
	welcome *agentpb.StreamWelcome
	refused chan struct{}
}

// Attach opens a stream on conn, a fresh connection to the agent. It waits for
// the answer until ctx ends; afterwards ctx has no influence. The agent's
// refusal is a call.Error. On an error conn is closed.
func Attach(ctx context.Context, conn net.Conn, hello *agentpb.StreamHello) (*Client, error) {
	stop := context.AfterFunc(ctx, func() { shut(conn) })
	welcome, err := func() (*agentpb.StreamWelcome, error) {
		if err := checkHello(hello); err != nil {
			return nil, err
		}
		if err := writeHello(conn, hello); err != nil {
			return nil, err
		}
		return readWelcome(conn, hello)
	}()
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		shut(conn)
		return nil, fmt.Errorf("attach to %s of container %s: %w", hello.Stream, hello.ContainerId, err)
	}
	return &Client{conn: conn, welcome: welcome, refused: make(chan struct{})}, nil
}

// Offset is the position of the first byte that CopyTo writes, or of the byte
// of the stream that CopyFrom has to begin with.
func (c *Client) Offset() uint64 { return c.welcome.Offset }

// Close breaks the connection; the stream stays as it is for another client.
func (c *Client) Close() { shut(c.conn) }

// CopyTo writes the output to w until its end (nil), acknowledging what w has
// taken. If w fails, the agent is told that nobody takes the stream, and the
// error returned wraps that of w and ErrRefused. It closes the connection.
func (c *Client) CopyTo(w io.Writer) error {
	defer c.Close()
	position := c.welcome.Offset
	acks := startAcks(c.conn, position)
	defer acks.stop()
	r := bufio.NewReaderSize(c.conn, MaxFrame)
	for {
		n, err := readFrameHeader(r)
		if err != nil {
			return err
		}
		if n == 0 {
			acks.to(position + 1)
			return nil
		}
		for n > 0 {
			// Peek waits for one byte, and then there are as many as there are.
			if _, err := r.Peek(1); err != nil {
				return broken(err)
			}
			piece, _ := r.Peek(min(n, r.Buffered()))
			if _, err := w.Write(piece); err != nil {
				acks.to(refused)
				return fmt.Errorf("%w: %w", ErrRefused, err)
			}
			n -= len(piece)
			position += uint64(len(piece))
			if _, err := r.Discard(len(piece)); err != nil {
				return err
			}
			acks.to(position)
		}
	}
}

// Refused is closed when the agent says that the process takes no more input.
// CopyFrom notices only when its reader answers: so who can, ends that then.
func (c *Client) Refused() <-chan struct{} { return c.refused }

// CopyFrom sends what r has, to its end, and returns nil when the process has
// taken it all and its input is closed. ErrRefused if the process takes no
// more. If r fails, the connection breaks and the stream stays open. It closes
// the connection.
func (c *Client) CopyFrom(r io.Reader) error {
	defer c.Close()
	credit := newCredit(c.welcome)
	go credit.run(c)
	err := c.send(r, credit)
	if err == nil {
		<-credit.done
		return credit.verdict()
	}
	// A refusal may come together with a broken connection, and explains it.
	<-credit.done
	if credit.verdict() == ErrRefused {
		return ErrRefused
	}
	return err
}

// send returns nil when the end is sent or the agent has ended the stream.
func (c *Client) send(r io.Reader, credit *credit) error {
	frame := make([]byte, frameHeader+MaxFrame)
	for {
		room := credit.wait()
		if room == 0 {
			return nil
		}
		n, err := r.Read(frame[frameHeader:][:min(room, MaxFrame)])
		if n > 0 {
			credit.sent(n)
			binary.BigEndian.PutUint32(frame, uint32(n))
			if _, err := c.conn.Write(frame[:frameHeader+n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			credit.sent(0)
			_, err := c.conn.Write(make([]byte, frameHeader))
			return err
		}
		if err != nil {
			c.Close()
			return fmt.Errorf("read input: %w", err)
		}
	}
}

// credit is how many bytes may be sent: the window beyond what is acknowledged.
type credit struct {
	mu         sync.Mutex
	changed    sync.Cond
	acked, end uint64
	window     uint64
	ended      bool
	err        error
	done       chan struct{}
}

func newCredit(welcome *agentpb.StreamWelcome) *credit {
	k := &credit{acked: welcome.Offset, end: welcome.Offset, window: uint64(welcome.Window), done: make(chan struct{})}
	k.changed.L = &k.mu
	return k
}

// run reads acknowledgements until one ends the stream, or an error.
func (k *credit) run(c *Client) {
	defer close(k.done)
	for {
		position, err := readPosition(c.conn)
		k.mu.Lock()
		high := k.end
		if k.ended {
			high++
		}
		if err == nil {
			err = checkPosition(position, k.acked, high)
		}
		if err == nil && position > k.end {
			err = errDone
		}
		k.acked, k.err = position, err
		k.changed.Signal()
		k.mu.Unlock()
		if err == ErrRefused {
			close(c.refused)
		}
		if err != nil {
			return
		}
	}
}

// wait answers how many bytes may be sent, at least one; 0 if the stream or
// the connection has ended.
func (k *credit) wait() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.err == nil && k.end-k.acked >= k.window {
		k.changed.Wait()
	}
	if k.err != nil {
		return 0
	}
	return int(k.window - (k.end - k.acked))
}

// sent counts bytes about to be sent; 0 is the end.
func (k *credit) sent(n int) {
	k.mu.Lock()
	k.end += uint64(n)
	k.ended = k.ended || n == 0
	k.mu.Unlock()
}

// verdict is how the stream ended; after done.
func (k *credit) verdict() error {
	if k.err == errDone {
		return nil
	}
	return k.err
}
