package main

import (
	"math"

	"github.com/opencontainers/runc/types"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// statsOf puts the guest's figures into the form that readers of runc's events
// know.
func statsOf(s *agentpb.StatsReply) *types.Stats {
	out := &types.Stats{Hugetlb: map[string]types.Hugetlb{}}
	if cpu := s.Cpu; cpu != nil {
		out.CPU.Usage = types.CpuUsage{Total: cpu.UsageNs, Kernel: cpu.SystemNs, User: cpu.UserNs}
		out.CPU.Throttling = types.Throttling{Periods: cpu.Periods, ThrottledPeriods: cpu.ThrottledPeriods, ThrottledTime: cpu.ThrottledNs}
	}
	if m := s.Memory; m != nil {
		out.Memory = types.Memory{
			Cache:  m.Cache,
			Usage:  types.MemoryEntry{Limit: limit(m.Limit), Usage: m.Usage, Max: m.MaxUsage, Failcnt: m.FailCount},
			Swap:   types.MemoryEntry{Limit: limit(m.SwapLimit), Usage: m.SwapUsage},
			Kernel: types.MemoryEntry{Usage: m.KernelUsage},
			Raw:    m.Raw,
		}
	}
	if p := s.Pids; p != nil {
		out.Pids = types.Pids{Current: p.Current, Limit: p.Limit}
	}
	for _, d := range s.BlockIo {
		entries := func(read, write uint64) []types.BlkioEntry {
			return []types.BlkioEntry{
				{Major: d.Major, Minor: d.Minor, Op: "Read", Value: read},
				{Major: d.Major, Minor: d.Minor, Op: "Write", Value: write},
			}
		}
		out.Blkio.IoServiceBytesRecursive = append(out.Blkio.IoServiceBytesRecursive, entries(d.ReadBytes, d.WriteBytes)...)
		out.Blkio.IoServicedRecursive = append(out.Blkio.IoServicedRecursive, entries(d.Reads, d.Writes)...)
	}
	for _, h := range s.Hugepages {
		out.Hugetlb[h.PageSize] = types.Hugetlb{Usage: h.Usage, Max: h.MaxUsage, Failcnt: h.FailCount}
	}
	for _, n := range s.Network {
		out.NetworkInterfaces = append(out.NetworkInterfaces, &types.NetworkInterface{
			Name: n.Name, RxBytes: n.RxBytes, RxPackets: n.RxPackets, RxErrors: n.RxErrors, RxDropped: n.RxDropped,
			TxBytes: n.TxBytes, TxPackets: n.TxPackets, TxErrors: n.TxErrors, TxDropped: n.TxDropped,
		})
	}
	return out
}

// limit is what runc prints for none on cgroup v2, which the guest has.
func limit(bytes uint64) uint64 {
	if bytes == 0 {
		return math.MaxUint64
	}
	return bytes
}
