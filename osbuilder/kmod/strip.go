package kmod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// dropped are sections of a module that a guest is faster without.
//
// BTF serves tracing tools only, and the first module that has one makes the
// kernel check its own several megabytes of it (kernel/bpf/btf.c,
// btf_module_notify). The list of places to trace makes it look up a symbol for
// each (kernel/trace/ftrace.c, test_for_valid_rec); without it the calls stay,
// to a function that returns at once. The tables of the stack unwinder get
// sorted (arch/x86/kernel/unwind_orc.c, unwind_module_init); without them a
// stack trace through the module is a guess. Each place that calls a function
// which the kernel may exchange is patched to call it directly
// (kernel/static_call_inline.c, static_call_module_notify), by three writes
// through a mapping of their own, each of which empties QEMU's TLB twice;
// without the list the calls go by a trampoline, which the kernel patches anyway.
var dropped = map[string]bool{".BTF": true, ".comment": true,
	"__mcount_loc": true, ".rela__mcount_loc": true,
	".static_call_sites": true, ".rela.static_call_sites": true,
	".orc_unwind": true, ".orc_unwind_ip": true, ".rela.orc_unwind_ip": true}

// Layout of 64-bit ELF (elf(5)): the offsets of fields that are changed here.
const (
	elfHeaderSize   = 64
	sectionSize     = 64
	sectionsOffset  = 40 // e_shoff
	sectionCount    = 60 // e_shnum
	namesIndex      = 62 // e_shstrndx
	sectionTypeNull = 0
	sectionNoBits   = 8
)

// Strip answers a module without its signature and without the sections that
// nothing in a guest reads; every other section keeps its number. A kernel that
// does not enforce signatures takes it, and saves their computation, which an
// emulated guest feels. The image is trusted as a whole: it comes with the
// kernel, and a container cannot load modules.
func Strip(data []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(data) < elfHeaderSize || !bytes.HasPrefix(data, []byte("\x7fELF\x02\x01")) {
		return nil, errors.New("not a 64-bit little-endian ELF file")
	}
	start, count := le.Uint64(data[sectionsOffset:]), int(le.Uint16(data[sectionCount:]))
	names := int(le.Uint16(data[namesIndex:]))
	if start > uint64(len(data)) || uint64(count)*sectionSize > uint64(len(data))-start || names >= count {
		return nil, errors.New("its section headers are not within the file")
	}
	headers := bytes.Clone(data[start : start+uint64(count)*sectionSize])
	header := func(i int) section { return headers[i*sectionSize : (i+1)*sectionSize] }
	text, err := header(names).content(data)
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(bytes.Clone(data[:elfHeaderSize]))
	for i := range count {
		h := header(i)
		if dropped[h.name(text)] {
			// Its name stays: a header of the type "null" has none of the rest.
			clear(h[4:])
			continue
		}
		if h.kind() == sectionTypeNull {
			continue
		}
		body, err := h.content(data)
		if err != nil {
			return nil, fmt.Errorf("section %d: %w", i, err)
		}
		pad(out, h.align())
		h.move(uint64(out.Len()))
		out.Write(body)
	}
	pad(out, 8)
	le.PutUint64(out.Bytes()[sectionsOffset:], uint64(out.Len()))
	out.Write(headers)
	return out.Bytes(), nil
}

// section is a section's header.
type section []byte

func (s section) kind() uint32  { return binary.LittleEndian.Uint32(s[4:]) }
func (s section) align() uint64 { return binary.LittleEndian.Uint64(s[48:]) }
func (s section) move(to uint64) {
	binary.LittleEndian.PutUint64(s[24:], to)
}

func (s section) name(text []byte) string {
	from := binary.LittleEndian.Uint32(s)
	if uint64(from) >= uint64(len(text)) {
		return ""
	}
	name, _, _ := bytes.Cut(text[from:], []byte{0})
	return string(name)
}

func (s section) content(data []byte) ([]byte, error) {
	if s.kind() == sectionTypeNull || s.kind() == sectionNoBits {
		return nil, nil
	}
	from, size := binary.LittleEndian.Uint64(s[24:]), binary.LittleEndian.Uint64(s[32:])
	if from > uint64(len(data)) || size > uint64(len(data))-from {
		return nil, errors.New("not within the file")
	}
	return data[from : from+size], nil
}

func pad(out *bytes.Buffer, align uint64) {
	// The largest alignment that modules have is a page.
	if align > 1 && align <= 4096 {
		if over := uint64(out.Len()) % align; over != 0 {
			out.Write(make([]byte, align-over))
		}
	}
}
