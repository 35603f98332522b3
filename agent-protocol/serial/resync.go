package serial

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"sync"
)

// A virtio-serial port is one stream of bytes for the life of the VM, with no
// sign in it where one kata-proxy ended and another began: the guest can miss
// that the host's end was closed and opened again, and what the first had not
// finished stays in the port, either way, in the middle of a frame perhaps.
//
// So a proxy that is not the VM's first begins with a call for a new session:
//
//	more 0xff bytes than any frame of yamux is long, 0xfe, 16 random bytes
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
	// maxFrame is the longest frame of yamux: a header and a full window.
	maxFrame = yamuxHeader + 256<<10
)

// Resync wraps the host's end of the port, below yamux, and begins a new
// session whatever was in the port before. The call goes out with the first
// write.
func Resync(port io.ReadWriteCloser) io.ReadWriteCloser {
	r := &resync{ReadWriteCloser: port, reader: bufio.NewReaderSize(port, portBuffer)}
	r.token[0] = marker
	rand.Read(r.token[1:])
	return r
}

// portBuffer is the size of reads from a port in bytes: virtio-serial moves 32
// KiB at a time.
const portBuffer = 64 << 10

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

	// Where in yamux's framing the reader is.
	header [yamuxHeader]byte
	have   int    // bytes of header that have come
	body   uint64 // bytes of the frame's body that are still to come
	// call is set when the host has asked for a new session.
	call bool
}

// NewPort wraps the guest's end of the port. Its Read answers io.EOF while the
// host's end is closed, and may give data again afterwards.
func NewPort(port io.ReadWriter) *Port {
	return &Port{port: port, reader: bufio.NewReaderSize(port, portBuffer)}
}

// Session answers the connection of the next session: after the host's end was
// closed, or it has asked for one. The last one must not be in use any more.
// interrupt is what its Close calls, once: it must make a Read or Write of the
// port that is under way return.
func (p *Port) Session(interrupt func()) (io.ReadWriteCloser, error) {
	p.have, p.body = 0, 0
	if p.call {
		token, err := p.readCall()
		if err != nil {
			return nil, err
		}
		p.call = false
		if _, err := p.port.Write(token); err != nil {
			return nil, err
		}
	}
	return &portSession{Port: p, interrupt: interrupt}, nil
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

type portSession struct {
	*Port
	interrupt func()
	once      sync.Once
}

func (s *portSession) Close() error {
	s.once.Do(s.interrupt)
	return nil
}

func (s *portSession) Write(b []byte) (int, error) { return s.port.Write(b) }

func (s *portSession) Read(b []byte) (int, error) {
	if s.call || len(b) == 0 {
		return 0, io.EOF
	}
	if _, err := s.reader.Peek(1); err != nil {
		return 0, err
	}
	piece, _ := s.reader.Peek(min(len(b), s.reader.Buffered()))
	n := s.follow(piece)
	if n == 0 {
		return 0, io.EOF
	}
	copy(b, piece[:n])
	_, err := s.reader.Discard(n)
	return n, err
}

// follow keeps track of the frames in what is passed on; it answers how much of
// it belongs to this session.
func (p *Port) follow(data []byte) int {
	const typeData = 0
	at := 0
	for at < len(data) {
		if p.body > 0 {
			n := int(min(p.body, uint64(len(data)-at)))
			at += n
			p.body -= uint64(n)
			continue
		}
		if p.have == 0 && data[at] == fill {
			p.call = true
			return at
		}
		n := copy(p.header[p.have:], data[at:])
		at += n
		if p.have += n; p.have == yamuxHeader {
			p.have = 0
			if p.header[1] == typeData {
				p.body = uint64(binary.BigEndian.Uint32(p.header[8:]))
			}
		}
	}
	return at
}
