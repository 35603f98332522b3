package sandbox

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/oci"
)

// recordedBundle writes the bundle of the container of which QEMU's translations
// are kept, as engines make them.
func recordedBundle(dir, netns string) (*oci.Bundle, error) {
	root := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(root, 0o755); err != nil {
		return nil, err
	}
	program, err := recordedProgram()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(root, "file"), program, 0o755); err != nil {
		return nil, err
	}
	if err := os.Symlink("file", filepath.Join(root, "program")); err != nil {
		return nil, err
	}
	spec := rehearsalSpec(root)
	spec.Hostname = "translations"
	spec.Linux.Namespaces = append(spec.Linux.Namespaces,
		specs.LinuxNamespace{Type: specs.PIDNamespace}, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: netns})
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600); err != nil {
		return nil, err
	}
	return oci.Load(dir)
}

// The program's addresses: of its text, which is all of the file, and of a page of
// data, the file's first, with a page of zeros after it.
const (
	recordedText = 0x400000
	recordedData = 0x600000
	recordedSize = 1 << 20
)

// recordedCode has the kernel do what it does for any program of some size: read its
// pages, copy one that is written to, find one of zeros. What users' programs execute
// is their own, and would only make the file of translations larger.
var recordedCode = []byte("\xbe\x00\x00\x40\x00" + // mov esi, recordedText
	"\xb9\x00\x01\x00\x00" + // mov ecx, recordedSize / 4096
	"\x8a\x06\x81\xc6\x00\x10\x00\x00\xff\xc9\x75\xf4" + // again: mov al, [rsi]; add esi, 4096; dec ecx; jnz again
	"\x89\x0c\x25\x00\x00\x60\x00" + // mov [recordedData], ecx
	"\x89\x0c\x25\x00\x10\x60\x00" + // mov [recordedData + 4096], ecx
	"\x31\xff\xb8\xe7\x00\x00\x00\x0f\x05") // xor edi, edi; mov eax, 231; syscall: exit_group(0)

// recordedProgram answers an amd64 program that ends with code 0.
func recordedProgram() ([]byte, error) {
	segments := []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: recordedText,
			Filesz: recordedSize, Memsz: recordedSize, Align: 4096},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Vaddr: recordedData,
			Filesz: 4096, Memsz: 2 * 4096, Align: 4096},
	}
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phentsize: uint16(binary.Size(segments[0])), Phnum: uint16(len(segments)),
	}
	header.Ehsize = uint16(binary.Size(header))
	header.Phoff = uint64(header.Ehsize)
	header.Entry = recordedText + header.Phoff + uint64(binary.Size(segments))
	var file bytes.Buffer
	for _, part := range []any{header, segments, recordedCode} {
		if err := binary.Write(&file, binary.LittleEndian, part); err != nil {
			return nil, err
		}
	}
	return append(file.Bytes(), make([]byte, recordedSize-file.Len())...), nil
}
