package forward

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Constants of bpf(2) that golang.org/x/sys has under other names or not at
// all (include/uapi/linux/bpf.h).
const (
	mapTypeSockmap  = 15
	progTypeLookup  = 30 // BPF_PROG_TYPE_SK_LOOKUP
	attachTypeInet  = 36 // BPF_SK_LOOKUP
	funcMapLookup   = 1  // bpf_map_lookup_elem
	funcSkRelease   = 86
	funcSkAssign    = 124
	skPass          = 1
	pseudoMapFD     = 1
	contextFamily   = 8 // offsets in struct bpf_sk_lookup
	contextProtocol = 12
	contextLocalIP4 = 40
	contextLocalIP6 = 44
)

// steer has the kernel give each TCP connection to a loopback address of a
// network namespace, on whatever port, to one listening socket. It lasts until
// the answer is closed.
func steer(netns, listener int) (*os.File, error) {
	sockets, err := bpf(unix.BPF_MAP_CREATE, struct{ kind, key, value, entries uint32 }{mapTypeSockmap, 4, 8, 1})
	if err != nil {
		return nil, fmt.Errorf("make a map of sockets: %w", err)
	}
	defer sockets.Close()
	var pinned runtime.Pinner
	defer pinned.Unpin()
	key, value := uint32(0), uint64(listener)
	pinned.Pin(&key)
	pinned.Pin(&value)
	update := struct {
		fd         uint32
		_          uint32
		key, value uint64
		flags      uint64
	}{fd: uint32(sockets.Fd()), key: address(&key), value: address(&value)}
	_, err = bpfCall(unix.BPF_MAP_UPDATE_ELEM, unsafe.Pointer(&update), unsafe.Sizeof(update))
	if err != nil {
		return nil, fmt.Errorf("put the listener into the map: %w", err)
	}
	program, err := load(lookupProgram(int32(sockets.Fd())))
	if err != nil {
		return nil, err
	}
	defer program.Close()
	link, err := bpf(unix.BPF_LINK_CREATE, struct{ program, target, kind, flags uint32 }{
		uint32(program.Fd()), uint32(netns), attachTypeInet, 0,
	})
	if err != nil {
		return nil, fmt.Errorf("attach the program to the namespace: %w", err)
	}
	return link, nil
}

// lookupProgram assigns the one socket of the map to TCP connections to
// 127.0.0.0/8 and ::1, and lets all others pass.
func lookupProgram(sockets int32) []byte {
	p := &program{}
	p.op(0xbf, 6, 1, 0, 0) // r6 = context
	p.op(0x61, 2, 6, contextProtocol, 0)
	p.jump(0x55, 2, unix.IPPROTO_TCP, "pass") // if r2 != TCP
	p.op(0x61, 2, 6, contextFamily, 0)
	p.jump(0x15, 2, unix.AF_INET6, "six")
	p.op(0x61, 2, 6, contextLocalIP4, 0)
	p.op(0xdc, 2, 0, 0, 32) // r2 = its value in the host's order
	p.op(0x77, 2, 0, 0, 24) // its first octet
	p.jump(0x55, 2, 127, "pass")
	p.jump(0x05, 0, 0, "assign")
	p.label("six")
	for word := int16(0); word < 3; word++ {
		p.op(0x61, 2, 6, contextLocalIP6+4*word, 0)
		p.jump(0x55, 2, 0, "pass")
	}
	p.op(0x61, 2, 6, contextLocalIP6+12, 0)
	p.op(0xdc, 2, 0, 0, 32)
	p.jump(0x55, 2, 1, "pass")
	p.label("assign")
	p.op(0x62, 10, 0, -4, 0) // the key 0, on the stack
	p.op(0xbf, 2, 10, 0, 0)
	p.op(0x07, 2, 0, 0, -4)
	p.op(0x18, 1, pseudoMapFD, 0, sockets) // of two slots
	p.op(0, 0, 0, 0, 0)
	p.op(0x85, 0, 0, 0, funcMapLookup)
	p.jump(0x15, 0, 0, "pass") // nobody listens any more
	p.op(0xbf, 7, 0, 0, 0)
	p.op(0xbf, 1, 6, 0, 0)
	p.op(0xbf, 2, 7, 0, 0)
	p.op(0xb7, 3, 0, 0, 0)
	p.op(0x85, 0, 0, 0, funcSkAssign)
	p.op(0xbf, 1, 7, 0, 0)
	p.op(0x85, 0, 0, 0, funcSkRelease)
	p.label("pass")
	p.op(0xb7, 0, 0, 0, skPass)
	p.op(0x95, 0, 0, 0, 0)
	return p.assemble()
}

// program is BPF code in the making. Opcodes are those of the kernel's
// Documentation/bpf/standardization/instruction-set.rst.
type program struct {
	code   []instruction
	labels map[string]int
}

type instruction struct {
	op, dst, src byte
	off          int16
	imm          int32
	to           string // of a jump
}

func (p *program) op(op, dst, src byte, off int16, imm int32) {
	p.code = append(p.code, instruction{op, dst, src, off, imm, ""})
}

// jump goes to a label further on, if the register compares so.
func (p *program) jump(op, dst byte, imm int32, to string) {
	p.code = append(p.code, instruction{op, dst, 0, 0, imm, to})
}

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = map[string]int{}
	}
	p.labels[name] = len(p.code)
}

func (p *program) assemble() []byte {
	var out []byte
	for i, in := range p.code {
		if in.to != "" {
			in.off = int16(p.labels[in.to] - i - 1)
		}
		// The two registers share a byte, in the order of the machine's bit fields.
		registers := in.src<<4 | in.dst
		if bigEndian() {
			registers = in.dst<<4 | in.src
		}
		out = append(out, in.op, registers)
		out = binary.NativeEndian.AppendUint16(out, uint16(in.off))
		out = binary.NativeEndian.AppendUint32(out, uint32(in.imm))
	}
	return out
}

func bigEndian() bool { return binary.NativeEndian.Uint16([]byte{0, 1}) == 1 }

func load(code []byte) (*os.File, error) {
	license := []byte("Apache-2.0\x00")
	log := make([]byte, 4096)
	var pinned runtime.Pinner
	defer pinned.Unpin()
	pinned.Pin(&code[0])
	pinned.Pin(&license[0])
	pinned.Pin(&log[0])
	attr := struct {
		kind, count           uint32
		code, license         uint64
		logLevel, logSize     uint32
		log                   uint64
		kernel, flags         uint32
		name                  [16]byte
		interfaceIndex, kind2 uint32
	}{
		kind: progTypeLookup, count: uint32(len(code) / 8), code: address(&code[0]), license: address(&license[0]),
		logLevel: 1, logSize: uint32(len(log)), log: address(&log[0]), kind2: attachTypeInet,
	}
	copy(attr.name[:], "kata_forward")
	fd, err := bpfCall(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return nil, fmt.Errorf("load the program: %w: %s", err, unix.ByteSliceToString(log))
	}
	return os.NewFile(fd, "program"), nil
}

// bpf calls bpf(2) with attributes that hold no pointers, for a descriptor.
func bpf[T any](command int, attr T) (*os.File, error) {
	fd, err := bpfCall(command, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		return nil, err
	}
	return os.NewFile(fd, "bpf"), nil
}

func bpfCall(command int, attr unsafe.Pointer, size uintptr) (uintptr, error) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(attr), size)
	if errno != 0 {
		return 0, errno
	}
	return r, nil
}

// address is a pointer as bpf(2) takes it. The caller has pinned it.
func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }
