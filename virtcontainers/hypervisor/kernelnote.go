package hypervisor

import (
	"debug/elf"
	"encoding/binary"
	"io"
)

// Parameters by which a guest's kernel clears pages that virtiofsd will write.
// TCG translates the code in a page again when the page is written to, but only
// by the guest or a device of QEMU's own: it does not see what virtiofsd writes,
// and would run the code that the page had before. What the kernel clears it sees.
const (
	// clearPages clears every page before its use, whatever that is, as Debian's
	// kernel does by itself.
	clearPages = "init_on_alloc=1"
	// clearReadPages clears only those. The kernel of "make kernel" has it
	// (osbuilder/kernel/patches), and says so in a note.
	clearReadPages = "fuse.clear_read_pages=1"
)

// The note by which a kernel tells that it has clearReadPages: what the patch
// passes to ELFNOTE32.
const (
	noteName = "kata\x00"
	noteType = 1
	// maxNotes bounds what is read of a kernel's notes, in bytes: Debian's has 480.
	maxNotes = 64 << 10
)

// clearsReadPages tells whether a kernel says that it has clearReadPages. One
// that cannot be read or is no ELF file does not.
func clearsReadPages(kernel string) bool {
	f, err := elf.Open(kernel)
	if err != nil {
		return false // QEMU says what is wrong with it, if anything is
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		notes, err := io.ReadAll(io.LimitReader(p.Open(), maxNotes))
		if err == nil && hasNote(f.ByteOrder, notes) {
			return true
		}
	}
	return false
}

// hasNote looks for the note in a segment of notes: each is the sizes of a name
// and of a description, a type, and the two, each filled up to four bytes
// (System V ABI, "Note Section").
func hasNote(order binary.ByteOrder, notes []byte) bool {
	const header = 12
	for len(notes) >= header {
		name, desc := uint64(order.Uint32(notes)), uint64(order.Uint32(notes[4:]))
		kind := order.Uint32(notes[8:])
		notes = notes[header:]
		next := (name+3)&^3 + (desc+3)&^3
		if name > uint64(len(notes)) || next > uint64(len(notes)) {
			return false
		}
		if kind == noteType && string(notes[:name]) == noteName {
			return true
		}
		notes = notes[next:]
	}
	return false
}
