// Package stream carries a process's standard streams between the guest and
// the host, each on a connection of its own (vsock, or a yamux stream), with
// flow control, and so that a client that vanished can be followed by another
// that goes on where the first had got to.
//
// # Format
//
// Numbers are big-endian. The client speaks first:
//
//	4 bytes   "KST1" (tells the connection from one of calls, "KCL1")
//	4 bytes   length of what follows, at most 4096
//	...       StreamHello, protobuf
//
// and the agent answers
//
//	4 bytes   length of what follows, at most 4096
//	...       StreamWelcome, protobuf
//
// A welcome with an error ends the connection. Otherwise one side now sends
// (output: the agent; input: the client) and the other receives. The sender
// sends frames:
//
//	4 bytes   length of what follows, at most 65536; 0 is the stream's end
//	...       that many bytes of the stream
//
// The receiver answers with positions of 8 bytes, whenever it likes:
//
//	n                 all up to the n-th byte of the stream (counted from
//	                  the process's start) has been passed on for good
//	total + 1         so has the end: the stream is done
//	0xffffffffffffffff  refused: nobody takes what is sent, now or later
//
// Positions never go back and never beyond what was sent; the first is behind
// the welcome's offset. The sender has at most the welcome's window of bytes
// on the way that are not acknowledged.
//
// So a connection that breaks is never mistaken for the stream's end, at
// either side: only the frame of length 0 and its acknowledgement are the end.
package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

const (
	// Magic is what a stream's connection begins with.
	Magic = "KST1"
	// MaxFrame is the greatest length of a frame's data in bytes: virtio-serial
	// moves 32 KiB at a time, yamux's window is 256 KiB.
	MaxFrame = 64 << 10
	// DefaultWindow is a window that keeps a virtio-serial port busy.
	DefaultWindow = 256 << 10
	// MaxWindow is the greatest window that a client accepts.
	MaxWindow = 16 << 20

	// maxHello is the greatest length of a hello or welcome in bytes.
	maxHello     = 4096
	frameHeader  = 4
	positionSize = 8
	// refused is the position that says that nobody takes the stream.
	refused = math.MaxUint64
)

var (
	// ErrClosed is returned after Abort.
	ErrClosed = errors.New("stream is closed")
	// ErrRefused is returned to the sender whose receiver takes nothing any
	// more: what EPIPE is for a pipe.
	ErrRefused = errors.New("the stream's reader has gone")
	// ErrReplaced is returned by a Serve that another one followed.
	ErrReplaced = errors.New("another client took the stream over")
	// ErrProtocol is returned when the other side does not keep to the format.
	ErrProtocol = errors.New("stream protocol violated")
)

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// frames are buffers for one frame with its header, held only while there is
// something to move, so that an idle stream costs none.
var frames = sync.Pool{New: func() any { return new([frameHeader + MaxFrame]byte) }}

// readFrameHeader answers the length of the next frame's data, 0 for the end.
func readFrameHeader(r io.Reader) (int, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, broken(err)
	}
	n := binary.BigEndian.Uint32(header[:])
	if n > MaxFrame {
		return 0, protocolError("frame of %d bytes", n)
	}
	return int(n), nil
}

// readPosition reads an acknowledgement; ErrRefused if it is a refusal.
func readPosition(r io.Reader) (uint64, error) {
	var data [positionSize]byte
	if _, err := io.ReadFull(r, data[:]); err != nil {
		return 0, broken(err)
	}
	position := binary.BigEndian.Uint64(data[:])
	if position == refused {
		return 0, ErrRefused
	}
	return position, nil
}

// checkPosition refuses a position below the last or above what was sent.
func checkPosition(position, low, high uint64) error {
	if position < low || position > high {
		return protocolError("position %d is not in %d to %d", position, low, high)
	}
	return nil
}

// broken makes an error of the end of a connection: within a stream, it is one.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
