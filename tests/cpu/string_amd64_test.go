package cpu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"

	"golang.org/x/sys/unix"
)

// move is one string instruction in a part of memory.
type move struct {
	width, n int // bytes of an element, elements
	to, from int // of the first element; from < 0: "stos"
	back     bool
	form     form
	base     uintptr // of the segment
}

func (m move) step() int {
	if m.back {
		return -m.width
	}
	return m.width
}

// model does it one element after the other.
func (m move) model(mem []byte, value uint64) {
	for i := range m.n {
		var e [8]byte
		if m.from < 0 {
			binary.LittleEndian.PutUint64(e[:], value)
		} else {
			copy(e[:m.width], mem[m.from+i*m.step():])
		}
		copy(mem[m.to+i*m.step():], e[:m.width])
	}
}

// do has the CPU do it, and says what is wrong with the registers after it.
func (m move) do(mem []byte, value uint64) error {
	back := 0
	if m.back {
		back = 1
	}
	di, si, cx := address(mem, m.to), uintptr(0), uintptr(m.n)
	wantDI, wantSI := di+uintptr(m.n*m.step()), si
	if m.from < 0 {
		di, cx = stos(di, value, cx, m.width, back)
	} else {
		si = address(mem, m.from)
		wantSI = si + uintptr(m.n*m.step())
		if m.form == bySegment {
			di, si, cx = movs(di, si-m.base, cx, m.width, back, int(m.form))
			si += m.base
		} else {
			di, si, cx = movs(di, si, cx, m.width, back, int(m.form))
		}
	}
	if di != wantDI || si != wantSI || cx != 0 {
		return fmt.Errorf("registers: %#x %#x %d, want %#x %#x 0", di, si, cx, wantDI, wantSI)
	}
	return nil
}

// random is a move within size bytes, often of overlapping parts.
func random(r *rand.Rand, size int) move {
	m := move{width: 1 << r.IntN(4), back: r.IntN(4) == 0}
	longest := []int{4, 40, 600, size}[r.IntN(4)] / m.width
	m.n = r.IntN(longest + 1)
	place := func() int {
		at := r.IntN(size - m.n*m.width + 1)
		if m.back {
			at += max(m.n-1, 0) * m.width
		}
		return min(at, size-m.width)
	}
	m.to, m.from = place(), place()
	switch r.IntN(8) {
	case 0, 1, 2:
		m.from = -1
	case 3, 4: // a pattern that repeats, or nearly the same place
		m.from = min(max(m.to+r.IntN(129)-64, 0), size-m.width)
		end := m.from + (m.n-1)*m.step()
		if end < 0 || end > size-m.width {
			m.from = m.to
		}
	case 5:
		m.form = byLowAddress
	case 6:
		m.form = bySegment
	}
	return m
}

func TestStringInstructions(t *testing.T) {
	runtime.LockOSThread() // bySegment's base is the thread's
	defer runtime.UnlockOSThread()
	r := rand.New(rand.NewPCG(1, 2))
	const pages = 5
	base := segment(t)
	for range 1000 {
		m := random(r, pages*page)
		m.base = base
		value := r.Uint64()
		if r.IntN(3) == 0 {
			value = 0
		}
		flags := 0
		if m.form == byLowAddress {
			flags = unix.MAP_32BIT
		}
		mem, err := unix.Mmap(-1, 0, pages*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|flags)
		if err != nil {
			t.Fatal(err)
		}
		// Some pages are there, others come when they are touched.
		for at := 0; at < len(mem); at += page {
			if r.IntN(3) > 0 {
				for i := range page {
					mem[at+i] = byte(r.Uint32())
				}
			}
		}
		want := bytes.Clone(mem)
		if r.IntN(2) == 0 { // bytes.Clone has touched all
			if err := unix.Madvise(mem, unix.MADV_DONTNEED); err != nil {
				t.Fatal(err)
			}
			clear(want)
		}
		m.model(want, value)
		if err := m.do(mem, value); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
		if !bytes.Equal(mem, want) {
			t.Errorf("%+v: other bytes", m)
		}
		if err := unix.Munmap(mem); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}

// A move that comes to a page that is not there has done all before it.
func TestStringFault(t *testing.T) {
	for _, width := range []int{1, 2, 4, 8} {
		for _, from := range []int{-1, 3, 100} {
			mem := memory(t, 4, unix.PROT_READ|unix.PROT_WRITE)
			for i := range mem {
				mem[i] = byte(i * 7)
			}
			to := 2*page - 800
			m := move{width: width, n: 2 * page / width, from: from, to: to}
			want := bytes.Clone(mem[:2*page])
			whole := move{width: width, n: 800 / width, from: from, to: to}
			whole.model(want, 42)
			if err := unix.Mprotect(mem[2*page:], unix.PROT_NONE); err != nil {
				t.Fatal(err)
			}
			at := fault(func() { _ = m.do(mem, 42) })
			if first := address(mem, 2*page); at < first || at >= first+uintptr(width) {
				t.Errorf("%+v: a fault at %#x, want %#x", m, at, first)
			}
			if !bytes.Equal(mem[:2*page], want) {
				t.Errorf("%+v: other bytes before the fault", m)
			}
		}
	}
}

// fault is the address at which f faults, or 0.
func fault(f func()) (at uintptr) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e, ok := recover().(interface{ Addr() uintptr }); ok {
			at = e.Addr()
		}
	}()
	f()
	return 0
}
