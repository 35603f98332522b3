package sandbox

import (
	"fmt"
	"math/bits"

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// maxMemoryBlock is the largest memory block that a kernel has, in bytes: 2 GiB on
// x86-64, 1 GiB on arm64.
const maxMemoryBlock = 2 << 30

// memoryBlock is the guest's memory block in MiB, of which it takes whole ones
// only. The guest may lie, and must not make the VM grow by whatever it names.
func memoryBlock(bytes uint64) (mib uint64, err error) {
	switch {
	case bytes == 0:
		return 0, fmt.Errorf("%w: the guest's kernel cannot take memory at run time", hypervisor.ErrNoHotplug)
	case bits.OnesCount64(bytes) != 1, bytes < 1<<20, bytes > maxMemoryBlock:
		return 0, fmt.Errorf("the guest names memory blocks of %d bytes, which no kernel has: the VM keeps its size", bytes)
	}
	return bytes >> 20, nil
}

// memoryGrowth is how many times its available memory a VM gets at once, at
// most: the kernel takes 64 bytes for each new page of 4096 from the memory that
// it has, and half of that stays free here.
const memoryGrowth = 4096 / 64 / 2

// memoryStep is how much a guest gets at once, in MiB, that lacks so much and has
// so much available: whole blocks, and none beyond what it lacks.
func memoryStep(lacks, available, block uint64) uint64 {
	step := (lacks + block - 1) / block * block
	return min(step, max(available*memoryGrowth/block*block, block))
}
