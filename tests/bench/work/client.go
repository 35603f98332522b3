package work

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// Client talks to a program that serves.
type Client struct {
	// Dial connects to it.
	Dial func(context.Context) (net.Conn, error)
}

// deadline is for one connection: far beyond what any takes that works.
const deadline = 4 * time.Minute

// talk connects and calls f, after the program was told what the connection is
// for.
func (c Client) talk(ctx context.Context, what byte, bytes uint64, f func(net.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	conn, err := c.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(binary.LittleEndian.AppendUint64([]byte{what}, bytes)); err != nil {
		return err
	}
	return f(conn)
}

// In answers how long it takes until the program has got so many bytes.
func (c Client) In(ctx context.Context, bytes int64) (d time.Duration, err error) {
	err = c.talk(ctx, 'i', uint64(bytes), func(conn net.Conn) error {
		piece := make([]byte, 128<<10)
		start := time.Now()
		for left := bytes; left > 0; {
			n, err := conn.Write(piece[:min(left, int64(len(piece)))])
			if err != nil {
				return err
			}
			left -= int64(n)
		}
		_, err := io.ReadFull(conn, piece[:1])
		d = time.Since(start)
		return err
	})
	return d, err
}

// Out answers how long it takes until so many bytes have come from the program.
func (c Client) Out(ctx context.Context, bytes int64) (d time.Duration, err error) {
	err = c.talk(ctx, 'o', uint64(bytes), func(conn net.Conn) error {
		piece := make([]byte, 128<<10)
		start := time.Now()
		for left := bytes; left > 0; {
			n, err := conn.Read(piece)
			if err != nil {
				return err
			}
			left -= int64(n)
		}
		d = time.Since(start)
		return nil
	})
	return d, err
}

// Echo answers the median of how long a byte and its answer take.
func (c Client) Echo(ctx context.Context, count int) (d time.Duration, err error) {
	err = c.talk(ctx, 'e', uint64(count), func(conn net.Conn) error {
		var one [1]byte
		times := make([]time.Duration, count)
		for i := range times {
			start := time.Now()
			if _, err := conn.Write(one[:]); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, one[:]); err != nil {
				return err
			}
			times[i] = time.Since(start)
		}
		slices.Sort(times)
		d = times[count/2]
		return nil
	})
	return d, err
}

// Quit ends the program. It waits for no answer: a guest whose work is done
// ends at once, and its last packet may be lost with it.
func (c Client) Quit(ctx context.Context) error {
	return c.talk(ctx, 'q', 0, func(net.Conn) error { return nil })
}

// Ready waits for the line by which a program says that it listens.
func Ready(out io.Reader) error {
	var said string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "ready" { // a console ends lines in its own way
			return nil
		}
		said += lines.Text() + "\n"
	}
	return fmt.Errorf("it never listened: %s", tail(said))
}
