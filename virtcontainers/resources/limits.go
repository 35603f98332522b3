package resources

import (
	"math"
	"math/bits"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Limits are what of a workload's limits gives the VM its size: a container's,
// or those of a whole pod. The zero value limits nothing. It is kept in the
// state, because an update names only what it changes.
type Limits struct {
	// Quota and Period are the CPU time in microseconds; no quota, or a negative
	// one, is no limit. No period is the kernel's.
	Quota  int64  `json:"quota,omitempty"`
	Period uint64 `json:"period,omitempty"`
	// CPUs is the set of the host's CPUs, as in cpuset(7); empty for all.
	CPUs string `json:"cpus,omitempty"`
	// Memory is in bytes; 0 or less is no limit.
	Memory int64 `json:"memory,omitempty"`
	// HugePages are what is set aside in the guest, in bytes: the kernel does not
	// count them as memory of the container.
	HugePages uint64 `json:"huge_pages,omitempty"`
}

// With answers the limits after an update by r, which may be nil.
func (l Limits) With(r *specs.LinuxResources) Limits {
	if r == nil {
		return l
	}
	if cpu := r.CPU; cpu != nil {
		// 0 leaves it, as with runc.
		if quota := value(cpu.Quota); quota != 0 {
			l.Quota = quota
		}
		if period := value(cpu.Period); period != 0 {
			l.Period = period
		}
		if cpu.Cpus != "" {
			l.CPUs = cpu.Cpus
		}
	}
	if r.Memory != nil {
		if limit := value(r.Memory.Limit); limit != 0 {
			l.Memory = limit
		}
	}
	return l
}

// Complete answers r with both halves of the CPU quota if it has one of them, or
// a burst: the kernel's cpu.max has them in one line, so whoever writes one
// writes the other, too. l are the limits after the update by r, which stays as
// it is.
func (l Limits) Complete(r *specs.LinuxResources) *specs.LinuxResources {
	if r == nil || r.CPU == nil || r.CPU.Quota == nil && r.CPU.Period == nil && r.CPU.Burst == nil {
		return r
	}
	out, cpu := *r, *r.CPU
	out.CPU = &cpu
	if value(cpu.Quota) == 0 && l.Quota != 0 {
		cpu.Quota = &l.Quota
	}
	if value(cpu.Period) == 0 && l.Period != 0 {
		cpu.Period = &l.Period
	}
	return &out
}

// maxMilli keeps sums of CPUs within 64 bits, far above what any machine has.
const maxMilli = math.MaxUint32

// milliCPUs answers the CPUs that the limits allow, in thousandths; 0 for no limit.
func (l Limits) milliCPUs(set uint64) uint64 {
	if l.Quota <= 0 {
		return 0
	}
	period := l.Period
	if period == 0 {
		period = defaultPeriod
	}
	milli := uint64(maxMilli)
	if high, low := bits.Mul64(uint64(l.Quota), 1000); high < period {
		n, rest := bits.Div64(high, low, period)
		if rest > 0 {
			n++
		}
		milli = min(n, maxMilli)
	}
	if set > 0 {
		milli = min(milli, set*1000)
	}
	return milli
}
