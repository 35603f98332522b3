package stream

// ring keeps the bytes of a stream from start to end, positions counted from
// the stream's beginning. It grows as needed, up to max bytes.
type ring struct {
	buf        []byte
	head       int // index in buf of the byte at start
	start, end uint64
	max        int
}

// ringMin is the first size of a buffer: most processes say little.
const ringMin = 4 << 10

func (r *ring) len() int  { return int(r.end - r.start) }
func (r *ring) room() int { return r.max - r.len() }

// free answers a piece of the buffer to put bytes into that grow then adds; at
// most n bytes, empty only if the ring is full.
func (r *ring) free(n int) []byte {
	n = min(n, r.room())
	if r.len()+n > len(r.buf) && len(r.buf) < r.max {
		r.resize(r.len() + n)
	}
	n = min(n, len(r.buf)-r.len())
	if n == 0 {
		return nil
	}
	from := (r.head + r.len()) % len(r.buf)
	return r.buf[from:min(from+n, len(r.buf))]
}

// resize makes the buffer the smallest power of two times ringMin that holds
// want bytes, at most max.
func (r *ring) resize(want int) {
	size := max(len(r.buf), min(ringMin, r.max))
	for size < want {
		size = min(size*2, r.max)
	}
	buf := make([]byte, size)
	r.copy(buf, r.start)
	r.buf, r.head = buf, 0
}

// grow adds the n bytes that were put at the beginning of what free answered.
func (r *ring) grow(n int) { r.end += uint64(n) }

// at answers a piece that holds the bytes from position on; empty only at the end.
func (r *ring) at(position uint64) []byte {
	n := int(r.end - position)
	if n == 0 {
		return nil
	}
	from := (r.head + int(position-r.start)) % len(r.buf)
	return r.buf[from:min(from+n, len(r.buf))]
}

// copy fills p with the bytes from position on and answers how many there were.
func (r *ring) copy(p []byte, position uint64) int {
	n := copy(p, r.at(position))
	return n + copy(p[n:], r.at(position+uint64(n)))
}

// forget drops the bytes before position.
func (r *ring) forget(position uint64) {
	if len(r.buf) > 0 {
		r.head = (r.head + int(position-r.start)) % len(r.buf)
	}
	r.start = position
}

// drop drops all, and the memory.
func (r *ring) drop() {
	r.buf, r.head, r.start = nil, 0, r.end
}
