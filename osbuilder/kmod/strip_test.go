package kmod

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// object compiles an object file with a BTF section and appends a "signature".
func object(t testing.TB) []byte {
	t.Helper()
	as, err := exec.LookPath("as")
	if err != nil {
		t.Skip("as (binutils) is not installed")
	}
	dir := t.TempDir()
	source, out := filepath.Join(dir, "m.s"), filepath.Join(dir, "m.o")
	text := ".text\n.globl f\nf: jmp g\n.section .modinfo,\"a\"\n.asciz \"depends=a,b\"\n" +
		".section .BTF,\"\"\n.zero 5000\n.section .static_call_sites,\"aw\"\n.long f-.,h-.\n.section .data,\"aw\"\n.balign 64\n.quad f\n.bss\n.zero 100\n"
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(as, "--64", "-o", out, source)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("as makes no x86 object here: %s", msg)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return append(data, "~Module signature appended~\n"...)
}

func TestStrip(t *testing.T) {
	data := object(t)
	got, err := Strip(data)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(got, []byte("signature appended")) || len(got) > len(data)-5000 {
		t.Errorf("%d bytes of %d are left, signature and BTF with them", len(got), len(data))
	}
	before, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	after, err := elf.NewFile(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Sections) != len(after.Sections) {
		t.Fatalf("%d sections, want %d: symbols name them by number", len(after.Sections), len(before.Sections))
	}
	for i, want := range before.Sections {
		s := after.Sections[i]
		if dropped[want.Name] {
			if s.Type != elf.SHT_NULL || s.Size != 0 {
				t.Errorf("%s is still there", want.Name)
			}
			continue
		}
		if s.Name != want.Name || s.Type != want.Type || s.Addralign > 1 && s.Offset%s.Addralign != 0 {
			t.Errorf("section %d: %+v, want %+v", i, s.SectionHeader, want.SectionHeader)
		}
		if s.Type == elf.SHT_NULL || s.Type == elf.SHT_NOBITS {
			continue
		}
		a, _ := want.Data()
		b, err := s.Data()
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s has changed: %v", want.Name, err)
		}
	}
	info, err := Parse(got)
	if err != nil || len(info.Depends) != 2 {
		t.Errorf("its description: %+v, %v", info, err)
	}
}

func TestStripRefuses(t *testing.T) {
	for _, data := range []string{"", "\x7fELF", "\x7fELF\x02\x01" + string(bytes.Repeat([]byte{0xff}, 100))} {
		if _, err := Strip([]byte(data)); err == nil {
			t.Errorf("%q is taken for a module", data)
		}
	}
}

func FuzzStrip(f *testing.F) {
	f.Add(object(f))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = Strip(data) })
}
