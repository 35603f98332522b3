package cpu

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const page = 4096

// memory maps pages that nothing has touched yet.
func memory(t *testing.T, pages, prot int) []byte {
	t.Helper()
	m, err := unix.Mmap(-1, 0, pages*page, prot, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	})
	return m
}

func address(m []byte, at int) uintptr { return uintptr(unsafe.Pointer(&m[0])) + uintptr(at) }

// pointer is an address that Go's memory has nothing to do with.
func pointer(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

func slice(p unsafe.Pointer, size int) []byte { return unsafe.Slice((*byte)(p), size) }

// segment is FS's base, the thread's.
func segment(t *testing.T) uintptr {
	const getFS = 0x1003 // ARCH_GET_FS, arch_prctl(2)
	var base uintptr
	if _, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, getFS, uintptr(unsafe.Pointer(&base)), 0); errno != 0 {
		t.Fatal(errno)
	}
	return base
}
