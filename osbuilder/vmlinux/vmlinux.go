// Package vmlinux takes the kernel's ELF file out of an x86 bzImage, so that
// QEMU can start it at its PVH entry without firmware and without inflating it.
package vmlinux

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// Offsets in the setup header (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
const (
	offSetupSects    = 0x1f1 // u8
	offMagic         = 0x202 // "HdrS"
	offVersion       = 0x206 // u16
	offPayloadOffset = 0x248 // u32, from the start of the protected-mode code
	offPayloadLength = 0x24c // u32
	headerEnd        = 0x250
	sector           = 512
	// minVersion is the first boot protocol with payload_offset.
	minVersion = 0x0208
)

// maxSize bounds what a payload may inflate to: a stock kernel has about 60 MB.
const maxSize = 512 << 20

// payloadOf answers the compressed kernel in a bzImage.
func payloadOf(image []byte) ([]byte, error) {
	if len(image) < headerEnd || string(image[offMagic:offMagic+4]) != "HdrS" {
		return nil, errors.New("not a bzImage: no setup header")
	}
	if v := binary.LittleEndian.Uint16(image[offVersion:]); v < minVersion {
		return nil, fmt.Errorf("bzImage: boot protocol %#x is older than %#x", v, minVersion)
	}
	sects := uint64(image[offSetupSects])
	if sects == 0 {
		sects = 4 // boot.rst: 0 means 4
	}
	start := (sects+1)*sector + uint64(binary.LittleEndian.Uint32(image[offPayloadOffset:]))
	length := uint64(binary.LittleEndian.Uint32(image[offPayloadLength:]))
	if length < 8 || start > uint64(len(image)) || length > uint64(len(image))-start {
		return nil, fmt.Errorf("bzImage: payload of %d bytes at %d lies outside of its %d bytes", length, start, len(image))
	}
	return image[start : start+length], nil
}

// Extract answers the ELF file in a bzImage, without what follows its last
// section (relocations, which PVH does not use). It runs Debian's xz, zstd or
// lz4 where the kernel is compressed so.
func Extract(ctx context.Context, image []byte) ([]byte, error) {
	payload, err := payloadOf(image)
	if err != nil {
		return nil, err
	}
	raw, err := inflate(ctx, payload)
	if err != nil {
		return nil, fmt.Errorf("bzImage: %w", err)
	}
	return Trim(raw)
}

// formats by magic number. All but gzip have the inflated size appended by
// the kernel's build, as 32 bits little endian.
var formats = []struct {
	magic   string
	command []string // nil: gzip
}{
	{"\x1f\x8b", nil},
	{"\xfd7zXZ\x00", []string{"xz", "-dc"}},
	{"\x28\xb5\x2f\xfd", []string{"zstd", "-dcq"}},
	{"\x02\x21\x4c\x18", []string{"lz4", "-dcq"}},
}

func inflate(ctx context.Context, payload []byte) ([]byte, error) {
	if bytes.HasPrefix(payload, []byte(elf.ELFMAG)) {
		return payload, nil
	}
	for _, f := range formats {
		if !bytes.HasPrefix(payload, []byte(f.magic)) {
			continue
		}
		if f.command == nil {
			r, err := gzip.NewReader(bytes.NewReader(payload))
			if err != nil {
				return nil, err
			}
			r.Multistream(false)
			return io.ReadAll(io.LimitReader(r, maxSize))
		}
		end := len(payload) - 4
		size := binary.LittleEndian.Uint32(payload[end:])
		if size > maxSize {
			return nil, fmt.Errorf("payload claims %d bytes", size)
		}
		cmd := exec.CommandContext(ctx, f.command[0], f.command[1:]...)
		cmd.Stdin = bytes.NewReader(payload[:end])
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", f.command[0], err, bytes.TrimSpace(stderr.Bytes()))
		}
		if len(out) != int(size) {
			return nil, fmt.Errorf("%s: %d bytes instead of %d", f.command[0], len(out), size)
		}
		return out, nil
	}
	return nil, fmt.Errorf("payload in an unknown format (starts with %x)", payload[:min(6, len(payload))])
}

// Offsets in an ELF file's header and in a program header (elf(5)).
const (
	offSections     = 0x28 // e_shoff, u64
	offSectionCount = 0x3c // e_shnum, u16; then e_shstrndx, u16
	offPrograms     = 0x20 // e_phoff, u64
	offProgramSize  = 0x36 // e_phentsize, u16
	offFileSize     = 0x20 // p_filesz, u64
)

// Trim cuts from an ELF file what is not loaded, and checks that it can be
// booted by PVH: the sections' headers, what follows the last segment, and the
// zeros at the end of a segment, which a loader makes by itself. Debian's kernel
// has 24 MB of those in place of its variables, for QEMU to read and to keep.
func Trim(raw []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("vmlinux: %w", err)
	}
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return nil, fmt.Errorf("vmlinux: machine %v, want x86-64", f.Machine)
	}
	if !hasPVHEntry(f) {
		return nil, errors.New("vmlinux: no PVH entry (the kernel lacks CONFIG_PVH)")
	}
	le := binary.LittleEndian
	table, entry := le.Uint64(raw[offPrograms:]), uint64(le.Uint16(raw[offProgramSize:]))
	out := bytes.Clone(raw)
	le.PutUint64(out[offSections:], 0)
	le.PutUint32(out[offSectionCount:], 0)
	end := table + entry*uint64(len(f.Progs))
	for i, p := range f.Progs {
		last := p.Off + p.Filesz
		if last < p.Off || last > uint64(len(raw)) {
			return nil, fmt.Errorf("vmlinux: %d bytes, but its headers speak of %d", len(raw), last)
		}
		size := p.Filesz
		if p.Type == elf.PT_LOAD {
			size = uint64(len(bytes.TrimRight(raw[p.Off:last], "\x00")))
			le.PutUint64(out[table+entry*uint64(i)+offFileSize:], size)
		}
		end = max(end, p.Off+size)
	}
	return out[:end], nil
}

// xenPhys32Entry is XEN_ELFNOTE_PHYS32_ENTRY (xen/interface/elfnote.h): the
// note that names the PVH entry.
const xenPhys32Entry = 18

func hasPVHEntry(f *elf.File) bool {
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(p.Open(), 1<<20))
		if err != nil {
			return false
		}
		for len(data) >= 12 {
			name := (uint64(binary.LittleEndian.Uint32(data)) + 3) &^ 3
			desc := (uint64(binary.LittleEndian.Uint32(data[4:])) + 3) &^ 3
			kind := binary.LittleEndian.Uint32(data[8:])
			data = data[12:]
			if name+desc > uint64(len(data)) {
				return false
			}
			if kind == xenPhys32Entry && name == 4 && string(data[:3]) == "Xen" {
				return true
			}
			data = data[name+desc:]
		}
	}
	return false
}
