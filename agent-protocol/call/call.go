// Package call carries the agent's calls over connections to it.
//
// gRPC did that before. Under TCG a guest pays for each instruction that it runs
// for the first time, and HTTP/2, header compression and the rest of gRPC were a
// tenth of all code that the agent ran once; connections cost nothing here, as
// yamux or vsock have many of them anyway.
//
// # The protocol
//
// A connection begins with Magic, from the host. Then it carries one call after
// another, each in frames:
//
//	kind (1 byte)   length (4 bytes, big endian)   length bytes
//
// The host begins with call: a byte with the length of the method's name, the
// name, the request. The agent ends with reply (a message), end (of a call that
// answers a stream of messages; empty) or failure (a code in 4 bytes, big endian,
// and a text). In a call with a stream of requests, the first is empty in
// call, the host sends message frames and may say by end that no more come; in
// one with a stream of answers the agent sends message frames. After its last
// frame the next call may follow, but not after a call with streams: then the
// connection ends. Calls at the same time have connections of their own.
//
// A host that does not want an answer any more closes the connection, which
// ends the call's context in the agent. So deadlines are the host's alone.
package call

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// Magic begins each connection that carries calls.
const Magic = "KCL1"

// MaxMessage is the greatest size in bytes of a message to the agent: a CopyFile
// part or a large config.json fits many times.
const MaxMessage = 16 << 20

// What the host takes of an answer (a reply, or one message of a stream). The
// guest is not trusted, and an entry of two bytes becomes an object of a hundred
// in the memory of a process of the host.
const (
	// MaxReply is the greatest size of a message from the agent in bytes. By far the
	// largest there is are the processes of a container: 30,000 of them have 3 MiB,
	// with command lines of 70 bytes. Metrics, and the interfaces and routes of
	// a guest, have some ten KiB; a piece of a forwarded stream has less.
	MaxReply = 4 << 20
	// MaxFields is the greatest number of fields of a message from the agent; each
	// entry of a list is one. A guest has 32,768 process ids, more only if it has more
	// than 32 CPUs.
	MaxFields = 64 << 10
)

// Message is what the generator makes of a message.
type Message interface {
	Size() int
	MarshalToSizedBuffer([]byte) (int, error)
	Unmarshal([]byte) error
}

// kind says what a frame is.
type kind byte

const (
	kindCall    kind = 1
	kindMessage kind = 2
	kindEnd     kind = 3
	kindReply   kind = 4
	kindFailure kind = 5
)

const (
	headerSize = 5
	// maxFrame leaves room for a method's name before the message.
	maxFrame = MaxMessage + 256
	// firstPiece is what a frame gets of memory at once, in bytes; nearly all are
	// smaller.
	firstPiece = 64 << 10
)

// errFrame: what came is not this protocol.
var errFrame = errors.New("not a frame of the agent protocol")

// frame is one that has come.
type frame struct {
	kind kind
	data []byte
}

// readFrame reads a frame of at most limit bytes.
func readFrame(r io.Reader, limit uint32) (frame, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(header[1:])
	k := kind(header[0])
	if k < kindCall || k > kindFailure {
		return frame{}, fmt.Errorf("%w: kind %d, %d bytes", errFrame, k, n)
	}
	if n > limit {
		return frame{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", errFrame, n, limit)
	}
	if n == 0 {
		return frame{kind: k}, nil
	}
	data, err := readData(r, int(n))
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	return frame{k, data}, nil
}

// readData reads n bytes. Its memory grows with what has come: a length alone
// costs nothing.
func readData(r io.Reader, n int) ([]byte, error) {
	data := make([]byte, min(n, firstPiece))
	for at := 0; ; {
		if _, err := io.ReadFull(r, data[at:]); err != nil {
			return nil, err
		}
		if at = len(data); at == n {
			return data, nil
		}
		data = append(make([]byte, 0, min(n, 4*at)), data...)
		data = data[:cap(data)]
	}
}

// writeFrame writes a frame in one piece, behind start: prefix, then the message
// if there is one, which must be sendable.
func writeFrame(w io.Writer, start string, k kind, prefix []byte, m Message) error {
	size := 0
	if m != nil {
		size = m.Size()
	}
	n := len(prefix) + size
	out := make([]byte, len(start)+headerSize+n)
	at := copy(out, start)
	out[at] = byte(k)
	binary.BigEndian.PutUint32(out[at+1:], uint32(n))
	at += headerSize
	at += copy(out[at:], prefix)
	if m != nil {
		if _, err := m.MarshalToSizedBuffer(out[at:]); err != nil {
			return fmt.Errorf("encode %T: %w", m, err)
		}
	}
	_, err := w.Write(out)
	return err
}

// callPrefix is what stands before the request in a call's frame.
func callPrefix(method string) []byte { return append([]byte{byte(len(method))}, method...) }

// parseCall takes a call's frame apart.
func parseCall(f frame) (method string, request []byte, err error) {
	if f.kind != kindCall || len(f.data) == 0 || len(f.data) < 1+int(f.data[0]) {
		return "", nil, fmt.Errorf("%w: a call was expected", errFrame)
	}
	n := 1 + int(f.data[0])
	return string(f.data[1:n]), f.data[n:], nil
}

func failure(err error) []byte {
	code, text := CodeOf(err), err.Error()
	text = text[:min(len(text), wire.MaxText)]
	return append(binary.BigEndian.AppendUint32(nil, uint32(code)), text...)
}

// parseFailure makes an error of a failure's frame. The text is the other side's,
// which may be a hostile guest: as it is, it would go to logs and terminals.
func parseFailure(f frame) error {
	if len(f.data) < 4 {
		return fmt.Errorf("%w: a failure of %d bytes", errFrame, len(f.data))
	}
	code, text := Code(binary.BigEndian.Uint32(f.data)), f.data[4:]
	if code == OK {
		code = Unknown
	}
	return &Error{Code: code, Text: wire.Printable(string(text))}
}
