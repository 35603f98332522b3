package floor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Rate is what a bare port moves, in bytes per second.
type Rate struct {
	Out, In float64
}

// Stream boots a guest that moves bytes bytes out of a virtio serial port, and
// then as many into it, with nothing else in the way: what no stream through
// the port can be faster than.
func (f *Floor) Stream(ctx context.Context, bytes int64) (Rate, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*deadline)
	defer cancel()
	q, port, err := f.port(ctx, fmt.Sprintf("floor=stream bytes=%d", bytes))
	if err != nil {
		return Rate{}, err
	}
	defer port.Close()
	// When the guest hangs, this unblocks us.
	stop := context.AfterFunc(ctx, func() { q.cmd.Process.Kill() })
	defer stop()
	var r Rate
	err = func() error {
		if err := answer(port); err != nil {
			return err
		}
		if r.Out, err = rate(bytes, func() error { return receive(port, bytes) }); err != nil {
			return err
		}
		r.In, err = rate(bytes, func() error { return send(port, bytes) })
		return err
	}()
	killErr := q.cmd.Process.Kill()
	waitErr := q.cmd.Wait()
	if err != nil {
		if killErr == nil && ctx.Err() == nil {
			waitErr = err
		}
		return Rate{}, q.failure(waitErr)
	}
	return r, nil
}

func rate(bytes int64, move func() error) (float64, error) {
	start := time.Now()
	err := move()
	return float64(bytes) / time.Since(start).Seconds(), err
}

// piece is how much is written to or read from the port at a time, in bytes.
const piece = 64 << 10

func receive(port *os.File, bytes int64) error {
	if _, err := port.Write([]byte("o")); err != nil {
		return err
	}
	buffer := make([]byte, piece)
	for bytes > 0 {
		n, err := port.Read(buffer)
		if err != nil {
			return err
		}
		bytes -= int64(n)
	}
	return nil
}

func send(port *os.File, bytes int64) error {
	if _, err := port.Write([]byte("i")); err != nil {
		return err
	}
	buffer := make([]byte, piece)
	for bytes > 0 {
		n, err := port.Write(buffer[:min(piece, bytes)])
		if err != nil {
			return err
		}
		bytes -= int64(n)
	}
	return answer(port)
}

// answer waits for the guest's word.
func answer(port *os.File) error {
	var word [1]byte
	if _, err := io.ReadFull(port, word[:]); err != nil {
		return err
	}
	if word[0] != '!' {
		return errors.New("the guest says something else than was asked for")
	}
	return nil
}
