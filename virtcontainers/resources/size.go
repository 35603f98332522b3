package resources

import (
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DefaultMemoryMiB is a VM's memory if nobody says: enough for a guest and a small
// container, and more can be plugged.
const DefaultMemoryMiB = 256

// Defaults are the sizes for a VM whose containers have no limits, and the
// bounds. They are kept in the state: a sandbox keeps those that it began with.
type Defaults struct {
	// VCPUs for containers without a CPU limit; 0 means 1.
	VCPUs uint32 `json:"vcpus"`
	// MaxVCPUs is never exceeded; 0 means the host's CPUs.
	MaxVCPUs uint32 `json:"max_vcpus"`
	// MemoryMiB for containers without a memory limit; if none has one, this is
	// all of the VM. 0 means DefaultMemoryMiB.
	MemoryMiB uint64 `json:"memory_mib"`
	// MaxMemoryMiB is never exceeded; 0 means the host's memory.
	MaxMemoryMiB uint64 `json:"max_memory_mib"`
}

// Filled answers d with the host's values where d has none.
func (d Defaults) Filled() (Defaults, error) {
	d.VCPUs = max(d.VCPUs, 1)
	if d.MemoryMiB == 0 {
		d.MemoryMiB = DefaultMemoryMiB
	}
	if d.MaxVCPUs != 0 && d.MaxMemoryMiB != 0 {
		return d, nil
	}
	host, err := Host()
	if d.MaxVCPUs == 0 {
		d.MaxVCPUs = host.VCPUs
	}
	if d.MaxMemoryMiB == 0 {
		d.MaxMemoryMiB = host.MemoryMiB
	}
	return d, err
}

// Host answers what the host has.
func Host() (Size, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return Size{}, fmt.Errorf("the host's memory: %w", err)
	}
	high, low := bits.Mul64(uint64(info.Totalram), uint64(info.Unit))
	if high != 0 {
		low = math.MaxUint64
	}
	return Size{VCPUs: uint32(runtime.NumCPU()), MemoryMiB: low / mib}, nil
}

// Size is what a VM has or shall have.
type Size struct {
	VCPUs     uint32
	MemoryMiB uint64
	// WantedVCPUs and WantedMemoryMiB are what the limits ask for: more than the
	// size where a bound has cut it.
	WantedVCPUs, WantedMemoryMiB uint64
	// Notes say where a limit was not taken as it is, one line each.
	Notes []string
}

// What a VM needs beside its containers, in MiB: the guest's kernel, its root
// file system in memory, the agent; and a 64th of all memory for the kernel's
// page structs (64 bytes for each page of 4096).
const (
	guestBase = 128
	// guestLeast is what a VM gets at least: with less the guest does not boot.
	guestLeast = 128
	// defaultPeriod is the kernel's CPU period in microseconds (cgroup v1's
	// cpu.cfs_period_us, v2's cpu.max).
	defaultPeriod = 100000
	mib           = 1 << 20
	// maxHugeMiB keeps sums within 64 bits, far above what any machine has.
	maxHugeMiB = 1 << 40
)

// VMSize answers the size of a VM for the limits of its containers; none for a
// VM whose containers are not known yet. Limits set the size: CPUs are the sum
// of the quotas, each at most its cpuset, rounded up; memory is the sum of the
// limits, of the huge pages and of what the guest itself needs, so that the containers can use their
// limits to the full. Containers without a limit get the default, together and
// on top. The limits themselves are enforced in the guest.
func VMSize(d Defaults, containers ...Limits) (Size, error) {
	d, err := d.Filled()
	if err != nil {
		return Size{}, err
	}
	var s Size
	if s.WantedVCPUs, err = wantedVCPUs(d, containers); err != nil {
		return Size{}, err
	}
	s.VCPUs = uint32(min(s.WantedVCPUs, uint64(d.MaxVCPUs)))
	if s.WantedVCPUs > uint64(s.VCPUs) {
		s.note("%d CPUs are wanted, the VM gets %d", s.WantedVCPUs, s.VCPUs)
	}
	s.WantedMemoryMiB = wantedMemory(d, containers)
	s.MemoryMiB = min(s.WantedMemoryMiB, d.MaxMemoryMiB)
	if s.WantedMemoryMiB > s.MemoryMiB {
		s.note("%d MiB of memory are wanted, the VM gets %d", s.WantedMemoryMiB, s.MemoryMiB)
	}
	if s.MemoryMiB < guestLeast {
		return Size{}, fmt.Errorf("a VM needs %d MiB of memory, the most that it may get is %d", guestLeast, s.MemoryMiB)
	}
	return s, nil
}

func wantedVCPUs(d Defaults, containers []Limits) (uint64, error) {
	var milli, free uint64
	if len(containers) == 0 {
		free = uint64(d.VCPUs)
	}
	for _, l := range containers {
		var set uint64
		if l.CPUs != "" {
			var err error
			if set, err = cpuCount(l.CPUs); err != nil {
				return 0, fmt.Errorf("linux.resources.cpu.cpus %q: %w", l.CPUs, err)
			}
		}
		if n := l.milliCPUs(set); n > 0 {
			milli += n
			continue
		}
		n := uint64(d.VCPUs)
		if set > 0 {
			n = min(n, set)
		}
		free = max(free, n)
	}
	return ceil(milli, 1000) + free, nil
}

func wantedMemory(d Defaults, containers []Limits) uint64 {
	var sum, free uint64
	if len(containers) == 0 {
		free = d.MemoryMiB
	}
	for _, l := range containers {
		sum += min(ceil(l.HugePages, mib), maxHugeMiB)
		if l.Memory > 0 {
			sum += ceil(uint64(l.Memory), mib)
		} else {
			free = d.MemoryMiB
		}
	}
	if sum > 0 {
		// x such that x - x/64 - base holds the sum.
		sum = ceil((sum+guestBase)*64, 63)
	}
	return max(sum+free, guestLeast)
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
