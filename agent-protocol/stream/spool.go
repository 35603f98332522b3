package stream

import (
	"sync"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// spool keeps what a process has printed, from start to end, positions counted
// from the stream's beginning. It keeps it as the frames that are sent, each
// with room for its headers before it: so a byte is copied out of the process's
// pipe and then into the device, and nowhere in between.
type spool struct {
	start, end uint64
	max        int

	pieces []piece
	first  int // how many pieces there were before pieces[0]
	tail   *block
	used   int // of tail
	// fresh and vector are what free answered last: blocks behind the tail, and
	// the room in all of them.
	fresh  []*block
	vector [][]byte
	// dropped: somebody may still be reading into what was the tail.
	dropped bool
}

// piece is one frame's data: block.data[from:to].
type piece struct {
	block    *block
	from, to int
}

func (p piece) len() int { return p.to - p.from }

// block is the memory of some pieces.
type block struct {
	data   []byte
	pieces int // that are kept
}

const (
	// headroom is a frame's header with that of the serial port before it.
	headroom = serial.HeaderSize + frameHeader
	// blockMax is the most that one access of the serial port's device moves,
	// blockMin enough for most processes: they say little.
	blockMax = 32 << 10
	blockMin = 4 << 10
	// pieceMin is how much a piece must have room for.
	pieceMin = 512
	// piecesMax is how many pieces are kept, however short they are; more than
	// the client takes without acknowledging some.
	piecesMax = 4 * ackFrames
)

var blocks = sync.Pool{New: func() any { return &block{data: make([]byte, blockMax)} }}

func (s *spool) len() int { return int(s.end - s.start) }

// room answers how many more bytes fit: the number of pieces is bounded, too,
// since each costs something, however short it is.
func (s *spool) room() int {
	if len(s.pieces) >= piecesMax+s.len()/pieceMin {
		return 0
	}
	return windowAt(s.start, s.max) - s.len()
}

// free answers memory to put at most n bytes into that grow then adds; empty
// only if the spool is full.
func (s *spool) free(n int) [][]byte {
	n = min(n, s.room())
	for s.vector = s.vector[:0]; n > 0; n -= len(s.vector[len(s.vector)-1]) {
		if len(s.vector) == 0 {
			s.tailFor(n)
			s.vector = append(s.vector, cut(s.tail.data[s.used+headroom:], n))
			continue
		}
		more := blocks.Get().(*block)
		s.fresh = append(s.fresh, more)
		s.vector = append(s.vector, cut(more.data[headroom:], n))
	}
	return s.vector
}

func cut(p []byte, n int) []byte { return p[:min(n, len(p))] }

// tailFor makes the last block one with room for some of n bytes.
func (s *spool) tailFor(n int) {
	n = min(n, blockMax-headroom)
	if s.tail != nil {
		left := len(s.tail.data) - s.used - headroom
		if left >= n || n < blockMin && left >= pieceMin {
			return
		}
	}
	s.retire()
	if n <= blockMin-headroom {
		s.tail = &block{data: make([]byte, blockMin)}
	} else {
		s.tail = blocks.Get().(*block)
	}
}

// retire ends the use of the last block.
func (s *spool) retire() {
	old := s.tail
	s.tail, s.used = nil, 0
	s.recycle(old)
}

// recycle gives a block back that nothing needs. What is being sent keeps its
// block, see spool.take.
func (s *spool) recycle(b *block) {
	if b != nil && b != s.tail && !s.dropped && b.pieces == 0 && len(b.data) == blockMax {
		blocks.Put(b)
	}
}

// grow adds the n bytes that were put at the beginning of what free answered.
func (s *spool) grow(n int) {
	for _, part := range s.vector {
		if n == 0 {
			break
		}
		if part := min(n, len(part)); part > 0 {
			s.add(part)
			n -= part
		}
		if n > 0 {
			s.retire()
			s.tail, s.fresh = s.fresh[0], s.fresh[1:]
		}
	}
	for _, b := range s.fresh {
		s.recycle(b)
	}
	s.fresh, s.vector = nil, nil
}

// add makes a piece of the n bytes behind what is used of the last block.
func (s *spool) add(n int) {
	from := s.used + headroom
	s.tail.pieces++
	s.used = from + n
	s.pieces = append(s.pieces, piece{s.tail, from, s.used})
	s.end += uint64(n)
}

// take answers the piece of a number, counted from the stream's beginning;
// false if there is none yet. The piece's block is kept until done is called.
func (s *spool) take(number int) (piece, bool) {
	i := number - s.first
	if i >= len(s.pieces) {
		return piece{}, false
	}
	s.pieces[i].block.pieces++
	return s.pieces[i], true
}

// done ends the use of a piece that take answered.
func (s *spool) done(p piece) {
	p.block.pieces--
	s.recycle(p.block)
}

// forget drops the bytes before position.
func (s *spool) forget(position uint64) {
	n := int(position - s.start)
	s.start = position
	gone := 0
	for ; n > 0; gone++ {
		p := &s.pieces[gone]
		if n < p.len() {
			// What lies before the rest is room for its header, as before.
			p.from += n
			break
		}
		n -= p.len()
		s.done(*p)
		p.block = nil
	}
	s.first += gone
	s.pieces = s.pieces[gone:]
	if len(s.pieces) == 0 {
		s.pieces = nil
	}
}

// drop drops all, and the memory.
func (s *spool) drop() {
	s.dropped = true
	s.forget(s.end)
	s.retire()
}
