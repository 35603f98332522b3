package task

import (
	"math"

	"golang.org/x/sys/unix"

	v1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	v2 "github.com/containerd/cgroups/v3/cgroup2/stats"
	"google.golang.org/protobuf/proto"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// unified tells whether the host has cgroup v2 alone: clients expect the form
// of the host's.
func unified() bool {
	var st unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// metrics translates what the guest has measured. The getters take a guest
// that leaves parts out.
func metrics(s *agentpb.StatsReply, unified bool) proto.Message {
	if unified {
		return metrics2(s)
	}
	return metrics1(s)
}

// unlimited is what the kernel's "max" is read as. Who takes a usage from a limit
// (containerd, for the kubelet) looks for so high a figure, not for 0.
const unlimited = math.MaxUint64

// limits answers those of memory and of swap alone. For the guest 0 is none; of
// swap it may be a real one, but not without one of memory.
func limits(m *agentpb.MemoryStats) (memory, swap uint64) {
	if m.GetLimit() == 0 {
		return unlimited, unlimited
	}
	return m.GetLimit(), m.GetSwapLimit()
}

// usec is in a nanosecond figure.
const usec = 1000

func metrics2(s *agentpb.StatsReply) *v2.Metrics {
	cpu, mem, pids := s.GetCpu(), s.GetMemory(), s.GetPids()
	raw := mem.GetRaw()
	limit, swap := limits(mem)
	m := &v2.Metrics{
		Pids: &v2.PidsStat{Current: pids.GetCurrent(), Limit: pids.GetLimit()},
		CPU: &v2.CPUStat{
			UsageUsec: cpu.GetUsageNs() / usec, UserUsec: cpu.GetUserNs() / usec, SystemUsec: cpu.GetSystemNs() / usec,
			NrPeriods: cpu.GetPeriods(), NrThrottled: cpu.GetThrottledPeriods(), ThrottledUsec: cpu.GetThrottledNs() / usec,
		},
		Memory: &v2.MemoryStat{
			Usage: mem.GetUsage(), UsageLimit: limit, MaxUsage: mem.GetMaxUsage(),
			SwapUsage: mem.GetSwapUsage(), SwapLimit: swap, File: mem.GetCache(),
			Anon: raw["anon"], KernelStack: raw["kernel_stack"], Slab: raw["slab"], Sock: raw["sock"], Shmem: raw["shmem"],
			FileMapped: raw["file_mapped"], FileDirty: raw["file_dirty"], FileWriteback: raw["file_writeback"],
			InactiveAnon: raw["inactive_anon"], ActiveAnon: raw["active_anon"],
			InactiveFile: raw["inactive_file"], ActiveFile: raw["active_file"], Unevictable: raw["unevictable"],
			Pgfault: raw["pgfault"], Pgmajfault: raw["pgmajfault"],
		},
		MemoryEvents: &v2.MemoryEvents{Max: mem.GetFailCount(), OomKill: mem.GetOomKills()},
		Io:           &v2.IOStat{},
	}
	for _, b := range s.GetBlockIo() {
		m.Io.Usage = append(m.Io.Usage, &v2.IOEntry{
			Major: b.Major, Minor: b.Minor, Rbytes: b.ReadBytes, Wbytes: b.WriteBytes, Rios: b.Reads, Wios: b.Writes,
		})
	}
	for _, h := range s.GetHugepages() {
		m.Hugetlb = append(m.Hugetlb, &v2.HugeTlbStat{Pagesize: h.PageSize, Current: h.Usage, Max: h.MaxUsage})
	}
	return m
}

func metrics1(s *agentpb.StatsReply) *v1.Metrics {
	cpu, mem, pids := s.GetCpu(), s.GetMemory(), s.GetPids()
	raw := mem.GetRaw()
	limit, swap := limits(mem)
	both := swap
	if swap != unlimited {
		both += limit
	}
	m := &v1.Metrics{
		Pids: &v1.PidsStat{Current: pids.GetCurrent(), Limit: pids.GetLimit()},
		CPU: &v1.CPUStat{
			Usage:      &v1.CPUUsage{Total: cpu.GetUsageNs(), User: cpu.GetUserNs(), Kernel: cpu.GetSystemNs()},
			Throttling: &v1.Throttle{Periods: cpu.GetPeriods(), ThrottledPeriods: cpu.GetThrottledPeriods(), ThrottledTime: cpu.GetThrottledNs()},
		},
		Memory: &v1.MemoryStat{
			Usage:  &v1.MemoryEntry{Usage: mem.GetUsage(), Max: mem.GetMaxUsage(), Limit: limit, Failcnt: mem.GetFailCount()},
			Swap:   &v1.MemoryEntry{Usage: mem.GetUsage() + mem.GetSwapUsage(), Limit: both},
			Kernel: &v1.MemoryEntry{Usage: mem.GetKernelUsage()}, KernelTCP: &v1.MemoryEntry{Usage: raw["sock"]},
			Cache: mem.GetCache(), RSS: raw["anon"], MappedFile: raw["file_mapped"], Dirty: raw["file_dirty"], Writeback: raw["file_writeback"],
			InactiveAnon: raw["inactive_anon"], ActiveAnon: raw["active_anon"],
			InactiveFile: raw["inactive_file"], ActiveFile: raw["active_file"], Unevictable: raw["unevictable"],
			TotalInactiveAnon: raw["inactive_anon"], TotalActiveAnon: raw["active_anon"],
			TotalInactiveFile: raw["inactive_file"], TotalActiveFile: raw["active_file"],
			TotalRSS: raw["anon"], TotalCache: mem.GetCache(),
			PgFault: raw["pgfault"], PgMajFault: raw["pgmajfault"], TotalPgFault: raw["pgfault"], TotalPgMajFault: raw["pgmajfault"],
		},
		MemoryOomControl: &v1.MemoryOomControl{OomKill: mem.GetOomKills()},
		Blkio:            &v1.BlkIOStat{},
	}
	for _, b := range s.GetBlockIo() {
		m.Blkio.IoServiceBytesRecursive = append(m.Blkio.IoServiceBytesRecursive,
			&v1.BlkIOEntry{Op: "Read", Major: b.Major, Minor: b.Minor, Value: b.ReadBytes},
			&v1.BlkIOEntry{Op: "Write", Major: b.Major, Minor: b.Minor, Value: b.WriteBytes})
		m.Blkio.IoServicedRecursive = append(m.Blkio.IoServicedRecursive,
			&v1.BlkIOEntry{Op: "Read", Major: b.Major, Minor: b.Minor, Value: b.Reads},
			&v1.BlkIOEntry{Op: "Write", Major: b.Major, Minor: b.Minor, Value: b.Writes})
	}
	for _, h := range s.GetHugepages() {
		m.Hugetlb = append(m.Hugetlb, &v1.HugetlbStat{Pagesize: h.PageSize, Usage: h.Usage, Max: h.MaxUsage, Failcnt: h.FailCount})
	}
	for _, i := range s.GetNetwork() {
		m.Network = append(m.Network, &v1.NetworkStat{
			Name: i.Name, RxBytes: i.RxBytes, RxPackets: i.RxPackets, RxErrors: i.RxErrors, RxDropped: i.RxDropped,
			TxBytes: i.TxBytes, TxPackets: i.TxPackets, TxErrors: i.TxErrors, TxDropped: i.TxDropped,
		})
	}
	return m
}
