package vmlinux

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"
)

// kernel makes a small ELF file with one note segment, and bytes behind it
// that do not belong to it.
func kernel(note uint32, extra string) []byte {
	raw := make([]byte, 64+56+20)
	copy(raw, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(raw[16:], 2)   // ET_EXEC
	le.PutUint16(raw[18:], 62)  // EM_X86_64
	le.PutUint32(raw[20:], 1)   // version
	le.PutUint64(raw[32:], 64)  // program headers
	le.PutUint16(raw[52:], 64)  // size of this header
	le.PutUint16(raw[54:], 56)  // size of a program header
	le.PutUint16(raw[56:], 1)   // number of them
	le.PutUint32(raw[64:], 4)   // PT_NOTE
	le.PutUint64(raw[72:], 120) // offset
	le.PutUint64(raw[96:], 20)  // size in the file
	le.PutUint32(raw[120:], 4)  // name's size
	le.PutUint32(raw[124:], 4)  // description's size
	le.PutUint32(raw[128:], note)
	copy(raw[132:], "Xen\x00")
	return append(raw, extra...)
}

func bzImage(payload []byte) []byte {
	image := make([]byte, 2*sector, 2*sector+16+len(payload))
	image[offSetupSects] = 1
	copy(image[offMagic:], "HdrS")
	binary.LittleEndian.PutUint16(image[offVersion:], 0x20f)
	binary.LittleEndian.PutUint32(image[offPayloadOffset:], 16)
	binary.LittleEndian.PutUint32(image[offPayloadLength:], uint32(len(payload)))
	image = append(image, make([]byte, 16)...)
	return append(append(image, payload...), "trailing"...)
}

func TestExtract(t *testing.T) {
	want := kernel(xenPhys32Entry, "")
	raw := kernel(xenPhys32Entry, "relocations")
	sized := func(data []byte) []byte { return binary.LittleEndian.AppendUint32(data, uint32(len(raw))) }
	pipe := func(t *testing.T, args ...string) []byte {
		t.Helper()
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("%s is not installed", args[0])
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = bytes.NewReader(raw)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, payload := range map[string]func(*testing.T) []byte{
		"plain": func(*testing.T) []byte { return raw },
		"gzip": func(*testing.T) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			w.Write(raw)
			w.Close()
			return sized(out.Bytes())
		},
		"xz":   func(t *testing.T) []byte { return sized(pipe(t, "xz", "-c", "--check=crc32")) },
		"zstd": func(t *testing.T) []byte { return sized(pipe(t, "zstd", "-qc")) },
		"lz4":  func(t *testing.T) []byte { return sized(pipe(t, "lz4", "-qlc")) },
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Extract(context.Background(), bzImage(payload(t)))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes, want the %d without what follows", len(got), len(want))
			}
		})
	}
}

// A segment loses the zeros at its end, in the file only, and the sections go.
func TestTrimLeavesZerosToTheLoader(t *testing.T) {
	le := binary.LittleEndian
	raw := kernel(xenPhys32Entry, "")
	// A second program header behind the note, and its segment.
	header := make([]byte, 56)
	le.PutUint32(header, 1)                       // PT_LOAD
	le.PutUint64(header[8:], uint64(len(raw)+56)) // offset
	le.PutUint64(header[32:], 4+4096)             // size in the file
	le.PutUint64(header[40:], 3*4096)             // size in memory
	// Program headers follow each other: the note moves behind the second.
	raw = append(append(append([]byte(nil), raw[:120]...), header...), raw[120:]...)
	le.PutUint16(raw[56:], 2)
	le.PutUint64(raw[72:], 120+56)
	raw = append(append(append(raw, "co\x00e"...), make([]byte, 4096)...), "sections"...)
	got, err := Trim(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(got, []byte("co\x00e")) || len(got) != len(raw)-4096-len("sections") {
		t.Errorf("%d bytes of %d, the end is %q", len(got), len(raw), got[len(got)-4:])
	}
	f, err := elf.NewFile(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if p := f.Progs[1]; p.Filesz != 4 || p.Memsz != 3*4096 {
		t.Errorf("%+v", p.ProgHeader)
	}
	again, err := Trim(got)
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("again: %v", err)
	}
}

func TestRefused(t *testing.T) {
	good := bzImage(kernel(xenPhys32Entry, ""))
	change := func(f func([]byte)) []byte { c := bytes.Clone(good); f(c); return c }
	for name, test := range map[string]struct {
		image []byte
		want  string
	}{
		"empty":           {nil, "no setup header"},
		"no magic":        {change(func(b []byte) { b[offMagic] = 0 }), "no setup header"},
		"old protocol":    {change(func(b []byte) { binary.LittleEndian.PutUint16(b[offVersion:], 0x207) }), "older"},
		"payload outside": {change(func(b []byte) { binary.LittleEndian.PutUint32(b[offPayloadOffset:], 1<<31) }), "outside"},
		"length outside":  {change(func(b []byte) { binary.LittleEndian.PutUint32(b[offPayloadLength:], 1<<31) }), "outside"},
		"unknown format":  {bzImage([]byte("not a kernel at all")), "unknown format"},
		"not PVH":         {bzImage(kernel(1, "")), "CONFIG_PVH"},
		"cut off":         {bzImage(kernel(xenPhys32Entry, "")[:130]), "PVH"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Extract(context.Background(), test.image); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Extract: %v, want %q in it", err, test.want)
			}
		})
	}
}

func FuzzPayload(f *testing.F) {
	f.Add(bzImage(kernel(xenPhys32Entry, "")))
	f.Fuzz(func(t *testing.T, image []byte) {
		if p, err := payloadOf(image); err == nil && len(p) < 8 {
			t.Errorf("payload of %d bytes", len(p))
		}
	})
}

func FuzzTrim(f *testing.F) {
	f.Add(kernel(xenPhys32Entry, "more"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if out, err := Trim(raw); err == nil && len(out) > len(raw) {
			t.Error("longer than what it was cut from")
		}
	})
}
