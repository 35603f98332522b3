package hypervisor

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// kernelWith writes an ELF file that says of one segment where it is loaded.
func kernelWith(t *testing.T, at, size uint64) string {
	return elfWith(t, elf.Prog64{Type: uint32(elf.PT_LOAD), Paddr: at, Memsz: size}, nil)
}

// elfWith writes an ELF file of one segment.
func elfWith(t *testing.T, p elf.Prog64, content []byte) string {
	path := filepath.Join(t.TempDir(), "vmlinux")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p.Off, p.Filesz = 64+56, uint64(len(content))
	header := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	for _, part := range []any{header, p, content} {
		if err := binary.Write(f, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestFilled(t *testing.T) {
	initrd := filepath.Join(t.TempDir(), "initrd.img")
	if err := os.WriteFile(initrd, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	top := span{63*mib - acpiData, 64 * mib}
	for _, c := range []struct {
		name   string
		spec   Spec
		expect []span
	}{
		{"kernel and initrd", Spec{Kernel: kernelWith(t, 16*mib, 8*mib), Initrd: initrd, MemoryMiB: 64}, []span{{16 * mib, 24 * mib}, top}},
		{"a segment beyond the memory", Spec{Kernel: kernelWith(t, 60*mib, 8*mib), Initrd: initrd, MemoryMiB: 64}, []span{top}},
		{"a segment whose end overflows", Spec{Kernel: kernelWith(t, 16*mib, 1<<64-8*mib), MemoryMiB: 64}, nil},
		{"an initrd that does not fit", Spec{Kernel: kernelWith(t, 0, mib), Initrd: initrd, MemoryMiB: 1}, []span{{0, mib}}},
		{"memory above 4 GiB", Spec{Kernel: kernelWith(t, 0, mib), Initrd: initrd, MemoryMiB: 4096}, []span{{0, mib}}},
		{"no ELF file", Spec{Kernel: initrd, Initrd: initrd, MemoryMiB: 64}, nil},
		{"no kernel", Spec{MemoryMiB: 64}, nil},
	} {
		if got := (&cmdline{spec: &c.spec}).filled(); !slices.Equal(got, c.expect) {
			t.Errorf("%s: %v, want %v", c.name, got, c.expect)
		}
	}
}

// What is in the memory stays, what is asked for is there, the rest is not.
func TestPopulate(t *testing.T) {
	const size = 5*hugePage + 4096
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "guest")
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("kernel"), hugePage+10); err != nil {
		t.Fatal(err)
	}
	// The second is the file's end, which is no whole huge page.
	<-populate(func() bool { return true }, f, size, []span{{hugePage + 1, hugePage + 2}, {5 * hugePage, size}})
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	if got, want := st.Blocks*512, int64(hugePage+4096); got != want {
		t.Fatalf("%d bytes are there, want %d", got, want)
	}
	got := make([]byte, 6)
	if _, err := f.ReadAt(got, hugePage+10); err != nil || string(got) != "kernel" {
		t.Errorf("%q, %v: want what was there", got, err)
	}
}
