package hypervisor

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// note answers a note as an assembler writes it.
func note(name string, kind uint32, desc []byte) []byte {
	fill := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(name)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(desc)))
	b = binary.LittleEndian.AppendUint32(b, kind)
	return slices.Concat(b, fill([]byte(name)), fill(desc))
}

func TestClearsReadPages(t *testing.T) {
	ours := note("kata\x00", 1, []byte{1, 0, 0, 0})
	other := note("Linux\x00", 1, make([]byte, 20))
	short := slices.Clone(ours)
	binary.LittleEndian.PutUint32(short[4:], 1<<31)
	long := slices.Clone(other)
	binary.LittleEndian.PutUint32(long, 0xffffffff)
	for _, c := range []struct {
		name  string
		kind  elf.ProgType
		notes []byte
		want  bool
	}{
		{"the note alone", elf.PT_NOTE, ours, true},
		{"behind others", elf.PT_NOTE, slices.Concat(other, note("Xen\x00", 18, []byte{1, 2, 3}), ours), true},
		{"another name", elf.PT_NOTE, other, false},
		{"another type", elf.PT_NOTE, note("kata\x00", 2, nil), false},
		{"no notes", elf.PT_NOTE, nil, false},
		{"cut off", elf.PT_NOTE, ours[:14], false},
		{"a description that is not there", elf.PT_NOTE, short, false},
		{"a name that is not there", elf.PT_NOTE, slices.Concat(long, ours), false},
		{"no segment of notes", elf.PT_LOAD, ours, false},
	} {
		if got := clearsReadPages(elfWith(t, elf.Prog64{Type: uint32(c.kind)}, c.notes)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	text := filepath.Join(t.TempDir(), "Image")
	if err := os.WriteFile(text, []byte("no ELF file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kernel := range []string{text, filepath.Join(t.TempDir(), "missing"), ""} {
		if clearsReadPages(kernel) {
			t.Errorf("%q: has the note", kernel)
		}
	}
}

// The parameter goes to a kernel that has it, and the costly one to the others.
func TestPagesThatVirtiofsdWritesAreCleared(t *testing.T) {
	with := elfWith(t, elf.Prog64{Type: uint32(elf.PT_NOTE)}, note("kata\x00", 1, []byte{1, 0, 0, 0}))
	without := elfWith(t, elf.Prog64{Type: uint32(elf.PT_NOTE)}, nil)
	for _, c := range []struct {
		kernel, accel string
		shared        bool
		want          []string
	}{
		{with, AccelTCG, true, []string{clearReadPages}},
		{without, AccelTCG, true, []string{clearPages}},
		{with, AccelTCG, false, nil},
		{with, AccelKVM, true, nil},
	} {
		spec := Spec{Kernel: c.kernel, Shares: []Share{{Tag: "kata"}}}
		if c.shared {
			spec.Shares[0].VirtioFS = os.Stdin
		}
		params := (&cmdline{cfg: &Config{}, spec: &spec, machine: &machine{}, accel: c.accel}).kernelParams()
		got := slices.DeleteFunc(params, func(p string) bool { return p != clearPages && p != clearReadPages })
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func FuzzHasNote(f *testing.F) {
	f.Add(note("kata\x00", 1, []byte{1, 0, 0, 0}))
	f.Fuzz(func(_ *testing.T, notes []byte) { hasNote(binary.LittleEndian, notes) })
}
