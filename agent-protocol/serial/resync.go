package serial

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"io"
)

// A virtio-serial port is one stream of bytes for the life of the VM, with no
// sign in it where one kata-proxy ended and another began: the guest can miss
// that the host's end was closed and opened again, and what the first had not
// finished stays in the port, either way, in the middle of a frame perhaps.
//
// So a proxy that is not the VM's first begins with a call for a new session:
//
//	more 0xff bytes than any frame is long, 0xfe, 16 random bytes
//
// A frame begins with its version, 0. So however much of an old frame was
// missing, the guest meets 0xff where a frame should begin; it then ends the
// old session, and answers, as the first bytes of the new one,
//
//	0xfe, the same 16 bytes
//
// Up to those, all that comes out of the port is the old session's. Neither
// side waits for the other. A first proxy may leave this out.
const (
	fill   = 0xff
	marker = 0xfe
	nonce  = 16
	// maxFrame is the longest frame that the guest gets: a header and a full window.
	maxFrame = HeaderSize + guestWindow
)

// Resync wraps the host's end of the port, below yamux, and begins a new
// session whatever was in the port before. The call goes out with the first
// write.
func Resync(port io.ReadWriteCloser) io.ReadWriteCloser {
	r := &resync{ReadWriteCloser: port, reader: bufio.NewReaderSize(port, guestBuffer)}
	r.token[0] = marker
	rand.Read(r.token[1:])
	return r
}

type resync struct {
	io.ReadWriteCloser
	reader *bufio.Reader
	token  [1 + nonce]byte
	called bool
	synced bool
}

func (r *resync) Write(p []byte) (int, error) {
	if !r.called {
		r.called = true
		call := append(bytes.Repeat([]byte{fill}, maxFrame+1), r.token[:]...)
		if _, err := r.ReadWriteCloser.Write(call); err != nil {
			return 0, err
		}
	}
	return r.ReadWriteCloser.Write(p)
}

func (r *resync) Read(p []byte) (int, error) {
	for !r.synced {
		window, err := r.reader.Peek(len(r.token))
		if err != nil {
			return 0, err
		}
		skip := 1
		if bytes.Equal(window, r.token[:]) {
			skip, r.synced = len(r.token), true
		}
		if _, err := r.reader.Discard(skip); err != nil {
			return 0, err
		}
	}
	return r.reader.Read(p)
}

// Port is the guest's end of the port: it stays, and sessions follow each other.
// One session at a time.
type Port struct {
	port   io.ReadWriter
	reader *bufio.Reader
	last   *Session
}

// NewPort wraps the guest's end of the port. Its Read answers io.EOF while the
// host's end is closed, and may give data again afterwards.
func NewPort(port io.ReadWriter) *Port {
	return &Port{port: port, reader: bufio.NewReaderSize(port, guestBuffer)}
}

// Session begins the next session: after the host's end was closed, or it has
// asked for one. The last one must be closed. interrupt must make a Read or
// Write of the port that is under way return; it is called once, at the
// session's end.
func (p *Port) Session(interrupt func()) (*Session, error) {
	if p.last != nil && p.last.called {
		token, err := p.readCall()
		if err != nil {
			return nil, err
		}
		p.last = nil
		if _, err := p.port.Write(token); err != nil {
			return nil, err
		}
	}
	p.last = server(interruptible{p.port, interrupt}, p.reader)
	return p.last, nil
}

// interruptible is the port while a session uses it.
type interruptible struct {
	io.ReadWriter
	interrupt func()
}

func (i interruptible) Close() error {
	i.interrupt()
	return nil
}

// readCall reads the rest of a call and answers the token.
func (p *Port) readCall() ([]byte, error) {
	for {
		if _, err := p.reader.Peek(1); err != nil {
			return nil, err
		}
		piece, _ := p.reader.Peek(p.reader.Buffered())
		filled := 0
		for filled < len(piece) && piece[filled] == fill {
			filled++
		}
		if _, err := p.reader.Discard(filled); err != nil {
			return nil, err
		}
		if filled < len(piece) {
			break
		}
	}
	var token [1 + nonce]byte
	_, err := io.ReadFull(p.reader, token[:])
	return token[:], err
}
