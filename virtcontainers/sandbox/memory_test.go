package sandbox

import (
	"errors"
	"math"
	"testing"

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

func TestMemoryBlock(t *testing.T) {
	for bytes, want := range map[uint64]uint64{
		128 << 20: 128, 512 << 20: 512, 1 << 30: 1024, 2 << 30: 2048, 16 << 20: 16,
		4 << 30: 0, 32 << 30: 0, 1 << 63: 0, 384 << 20: 0, 128<<20 + 1: 0, 1 << 19: 0, math.MaxUint64: 0, 0: 0,
	} {
		got, err := memoryBlock(bytes)
		if got != want || (err == nil) != (want > 0) || errors.Is(err, hypervisor.ErrNoHotplug) != (bytes == 0) {
			t.Errorf("%d: %d, %v; want %d", bytes, got, err, want)
		}
	}
}

// Whatever the guest says, it gets no block more than it lacks.
func TestMemoryStep(t *testing.T) {
	for _, c := range []struct{ lacks, available, block, want uint64 }{
		{1, 1000, 128, 128}, {128, 1000, 128, 128}, {129, 1000, 128, 256}, {100000, 100, 128, 3200},
		{100000, 0, 128, 128}, {300, math.MaxUint64 >> 20, 128, 384}, {1, 0, 2048, 2048},
	} {
		if got := memoryStep(c.lacks, c.available, c.block); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
