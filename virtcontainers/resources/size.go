package resources

import (
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Defaults are the sizes for a VM whose spec has no limits, and the bounds.
type Defaults struct {
	// VCPUs without a CPU limit; 0 means 1.
	VCPUs uint32
	// MaxVCPUs is never exceeded; 0 means the host's CPUs.
	MaxVCPUs uint32
	// MemoryMiB without a memory limit, all of the VM; 0 means 2048.
	MemoryMiB uint64
	// MaxMemoryMiB is never exceeded; 0 means the host's memory.
	MaxMemoryMiB uint64
}

// Size is a VM's size at boot.
type Size struct {
	VCPUs     uint32 `json:"vcpus"`
	MemoryMiB uint64 `json:"memory_mib"`
	// Notes say where a limit was not taken as it is, one line each.
	Notes []string `json:"notes,omitempty"`
}

// What a VM needs beside its containers, in MiB: the guest's kernel, its root
// file system in memory, the agent; and a 64th of all memory for the kernel's
// page structs (64 bytes for each page of 4096).
const (
	guestBase = 96
	// guestLeast is what a VM gets at least: with less the guest does not boot.
	guestLeast = 128
	// defaultPeriod is the kernel's CPU period in microseconds (cgroup v1's
	// cpu.cfs_period_us, v2's cpu.max).
	defaultPeriod = 100000
	mib           = 1 << 20
)

// VMSize answers the VM's size for the limits of r, which may be nil. A limit
// sets the size: CPUs are the quota rounded up, at most those of the cpuset;
// memory is the limit and what the guest itself needs, so that the container
// can use its limit to the full. The limits themselves are enforced in the
// guest. A negative limit is none, as in the runtime-spec.
func VMSize(d Defaults, r *specs.LinuxResources) (Size, error) {
	var s Size
	var err error
	if r == nil {
		r = &specs.LinuxResources{}
	}
	if s.VCPUs, err = s.vcpus(d, r.CPU); err != nil {
		return Size{}, err
	}
	if s.MemoryMiB, err = s.memory(d, r.Memory); err != nil {
		return Size{}, err
	}
	return s, nil
}

func (s *Size) vcpus(d Defaults, cpu *specs.LinuxCPU) (uint32, error) {
	most := d.MaxVCPUs
	if most == 0 {
		most = uint32(runtime.NumCPU())
	}
	n := uint64(max(d.VCPUs, 1))
	if cpu != nil {
		if quota := value(cpu.Quota); quota > 0 {
			period := value(cpu.Period)
			if period == 0 {
				period = defaultPeriod
			}
			n = ceil(uint64(quota), period)
		}
		if cpu.Cpus != "" {
			set, err := cpuCount(cpu.Cpus)
			if err != nil {
				return 0, fmt.Errorf("linux.resources.cpu.cpus %q: %w", cpu.Cpus, err)
			}
			n = min(n, set)
		}
	}
	if n > uint64(most) {
		s.note("%d CPUs are wanted, the VM gets %d", n, most)
		n = uint64(most)
	}
	return uint32(n), nil
}

func (s *Size) memory(d Defaults, memory *specs.LinuxMemory) (uint64, error) {
	most := d.MaxMemoryMiB
	if most == 0 {
		var info unix.Sysinfo_t
		if err := unix.Sysinfo(&info); err != nil {
			return 0, fmt.Errorf("the host's memory: %w", err)
		}
		high, low := bits.Mul64(uint64(info.Totalram), uint64(info.Unit))
		most = low / mib
		if high != 0 {
			most = math.MaxUint64 / mib
		}
	}
	size := d.MemoryMiB
	if size == 0 {
		size = 2048
	}
	if memory != nil {
		if limit := value(memory.Limit); limit > 0 {
			size = ceil(uint64(limit), mib)
			// x such that x - x/64 - base holds the limit.
			size = ceil((size+guestBase)*64, 63)
		}
	}
	size = max(size, guestLeast)
	if size > most {
		s.note("%d MiB of memory are wanted, the VM gets %d", size, most)
		size = most
	}
	if size < guestLeast {
		return 0, fmt.Errorf("a VM needs %d MiB of memory, the most that it may get is %d", guestLeast, size)
	}
	return size, nil
}

func (s *Size) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// value is what p points to, 0 for nil.
func value[T int64 | uint64](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}

// ceil divides and rounds up, without the overflow of (a+b-1)/b.
func ceil(a, b uint64) uint64 {
	n := a / b
	if a%b != 0 {
		n++
	}
	return n
}

// maxCPU is beyond any CPU number (the kernel's NR_CPUS is at most 8192).
const maxCPU = 1 << 16

// cpuCount counts the CPUs of a list as in cpuset(7): "0-2,5,8-9". A CPU that
// is named twice counts once.
func cpuCount(list string) (uint64, error) {
	seen := map[uint64]bool{}
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.ParseUint(from, 10, 32)
		last := first
		if err == nil && isRange {
			last, err = strconv.ParseUint(to, 10, 32)
		}
		if err != nil || last < first || last >= maxCPU {
			return 0, fmt.Errorf("%q is no CPU or range of CPUs", part)
		}
		for n := first; n <= last; n++ {
			seen[n] = true
		}
	}
	if len(seen) == 0 {
		return 0, fmt.Errorf("no CPU in it")
	}
	return uint64(len(seen)), nil
}
