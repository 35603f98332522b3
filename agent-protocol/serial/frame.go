package serial

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the size of a frame's header in bytes: version, type, flags
// (2), stream (4), length (4); yamux's spec.md, "Framing".
const HeaderSize = 12

// The types of frames and their flags, ibid.
const (
	typeData   = 0
	typeWindow = 1
	typePing   = 2
	typeGoAway = 3

	flagSYN = 1 // begins a connection, or is a ping's question
	flagACK = 2 // accepts one, or is the answer
	flagFIN = 4 // the sender will send no more
	flagRST = 8 // the connection is void
)

// baseWindow is how many bytes each side of a fresh connection may send: part
// of the format.
const baseWindow = 256 << 10

// header is a frame's header.
type header [HeaderSize]byte

func putHeader(b []byte, kind uint8, flags uint16, stream, length uint32) {
	b[0], b[1] = 0, kind
	binary.BigEndian.PutUint16(b[2:], flags)
	binary.BigEndian.PutUint32(b[4:], stream)
	binary.BigEndian.PutUint32(b[8:], length)
}

func newHeader(kind uint8, flags uint16, stream, length uint32) (h header) {
	putHeader(h[:], kind, flags, stream, length)
	return h
}

func (h *header) kind() uint8    { return h[1] }
func (h *header) flags() uint16  { return binary.BigEndian.Uint16(h[2:]) }
func (h *header) stream() uint32 { return binary.BigEndian.Uint32(h[4:]) }
func (h *header) length() uint32 { return binary.BigEndian.Uint32(h[8:]) }

func (h *header) String() string {
	return fmt.Sprintf("frame of type %d, flags %#x, stream %d, length %d", h.kind(), h.flags(), h.stream(), h.length())
}
