// Package ring is the buffer that both a connection over the serial port and a
// standard stream keep what has come in: bytes go in behind and out in front,
// without being moved.
package ring

// Ring keeps the bytes of a stream from Start to End, positions counted from
// the stream's beginning. It grows as needed, up to Max bytes. Not for
// concurrent use, but what Free and At answer may be written and read while
// another goroutine uses the other end.
type Ring struct {
	Start, End uint64
	Max        int
	buf        []byte
	head       int // index in buf of the byte at Start
}

// least is the first size of a buffer: most processes say little.
const least = 4 << 10

// Len answers how many bytes are kept.
func (r *Ring) Len() int { return int(r.End - r.Start) }

// Room answers how many more fit.
func (r *Ring) Room() int { return r.Max - r.Len() }

// Free answers a piece of the buffer to put bytes into that Grow then adds; at
// most n bytes, empty only if the ring is full.
func (r *Ring) Free(n int) []byte {
	n = min(n, r.Room())
	if r.Len()+n > len(r.buf) && len(r.buf) < r.Max {
		r.resize(r.Len() + n)
	}
	n = min(n, len(r.buf)-r.Len())
	if n == 0 {
		return nil
	}
	from := (r.head + r.Len()) % len(r.buf)
	return r.buf[from:min(from+n, len(r.buf))]
}

// resize makes the buffer the smallest power of two times least that holds
// want bytes, at most Max.
func (r *Ring) resize(want int) {
	size := max(len(r.buf), min(least, r.Max))
	for size < want {
		size = min(size*2, r.Max)
	}
	buf := make([]byte, size)
	r.Copy(buf, r.Start)
	r.buf, r.head = buf, 0
}

// Grow adds the n bytes that were put at the beginning of what Free answered.
func (r *Ring) Grow(n int) { r.End += uint64(n) }

// At answers a piece that holds the bytes from position on; empty only at the end.
func (r *Ring) At(position uint64) []byte {
	n := int(r.End - position)
	if n == 0 {
		return nil
	}
	from := (r.head + int(position-r.Start)) % len(r.buf)
	return r.buf[from:min(from+n, len(r.buf))]
}

// Copy fills p with the bytes from position on and answers how many there were.
func (r *Ring) Copy(p []byte, position uint64) int {
	n := copy(p, r.At(position))
	return n + copy(p[n:], r.At(position+uint64(n)))
}

// Append adds as much of p as fits and answers how much that was.
func (r *Ring) Append(p []byte) int {
	total := 0
	for len(p) > 0 {
		n := copy(r.Free(len(p)), p)
		if n == 0 {
			break
		}
		r.Grow(n)
		p = p[n:]
		total += n
	}
	return total
}

// Forget drops the bytes before position.
func (r *Ring) Forget(position uint64) {
	if len(r.buf) > 0 {
		r.head = (r.head + int(position-r.Start)) % len(r.buf)
	}
	r.Start = position
}

// Drop drops all, and the memory.
func (r *Ring) Drop() {
	r.buf, r.head, r.Start = nil, 0, r.End
}

// Size answers how much memory it holds, in bytes.
func (r *Ring) Size() int { return len(r.buf) }
