package hypervisor

import (
	"debug/elf"
	"os"

	"golang.org/x/sys/unix"
)

// span is a part of the guest's memory, in bytes from its beginning.
type span struct{ start, end int64 }

// filled answers the parts of the guest's memory that the boot is sure to write
// in its first tenth of a second: where QEMU copies the kernel and the initrd
// to, and where the kernel clears its variables. Nothing for a kernel that is
// no ELF file.
func (c *cmdline) filled() []span {
	f, err := elf.Open(c.spec.Kernel)
	if err != nil {
		return nil // QEMU says what is wrong with it, if anything is
	}
	defer f.Close()
	var spans []span
	size := int64(c.spec.MemoryMiB) << 20
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Paddr <= uint64(size) && p.Memsz <= uint64(size)-p.Paddr {
			spans = append(spans, span{int64(p.Paddr), int64(p.Paddr + p.Memsz)})
		}
	}
	// The initrd ends where the low memory does (QEMU, hw/i386/x86.c and pvh.c).
	if st, err := os.Stat(c.spec.Initrd); err == nil && size <= lowMemory && st.Size()+acpiData <= size {
		spans = append(spans, span{size - acpiData - st.Size(), size})
	}
	return spans
}

const (
	// lowMemory is how much of a guest's memory certainly has the addresses from
	// 0 on: q35 moves more of it behind 4 GiB (QEMU, hw/i386/pc_q35.c).
	lowMemory = 2 << 30
	// acpiData is what q35 keeps free behind the initrd (hw/i386/pc.c).
	acpiData = 128 << 10
)

// populate takes pages for spans of the guest's memory, in order, while QEMU
// starts. Else QEMU and the guest's only CPU would have them cleared one by one
// and wait for each; in this way another CPU of the host does that. What is in
// the memory stays. It is a hint: where it fails the pages come when they are
// touched. It asks first whether it may, and keeps a descriptor of its own of
// memory. What it answers is closed when it has done what it can.
func populate(may func() bool, memory *os.File, size int64, spans []span) <-chan struct{} {
	done := make(chan struct{})
	fd, err := unix.FcntlInt(memory.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		defer unix.Close(fd)
		if !may() {
			return
		}
		all, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return
		}
		defer unix.Munmap(all)
		for _, s := range spans {
			start, end := s.start&^(hugePage-1), min((s.end+hugePage-1)&^(hugePage-1), size)
			if unix.Madvise(all[start:end], unix.MADV_POPULATE_WRITE) != nil {
				return
			}
		}
	}()
	return done
}
