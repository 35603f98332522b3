package container

import (
	"fmt"
	"math"

	"github.com/opencontainers/cgroups"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// Stats answers what the container uses.
func (c *Container) Stats() (*agentpb.StatsReply, error) {
	s, err := c.cgroup.GetStats()
	if err != nil {
		return nil, fmt.Errorf("stats of container %s: %w", c.ID, err)
	}
	cpu, mem := &s.CpuStats, &s.MemoryStats
	reply := &agentpb.StatsReply{
		Cpu: &agentpb.CPUStats{
			UsageNs: cpu.CpuUsage.TotalUsage, UserNs: cpu.CpuUsage.UsageInUsermode, SystemNs: cpu.CpuUsage.UsageInKernelmode,
			Periods: cpu.ThrottlingData.Periods, ThrottledPeriods: cpu.ThrottlingData.ThrottledPeriods, ThrottledNs: cpu.ThrottlingData.ThrottledTime,
		},
		Memory: &agentpb.MemoryStats{
			Usage: mem.Usage.Usage, MaxUsage: mem.Usage.MaxUsage, Limit: limit(mem.Usage.Limit),
			SwapUsage: mem.SwapOnlyUsage.Usage, SwapLimit: limit(mem.SwapOnlyUsage.Limit),
			KernelUsage: mem.Stats["kernel"], Cache: mem.Cache, FailCount: c.limitHits(),
			OomKills: c.oomKills(), Raw: mem.Stats,
		},
		Pids:    &agentpb.PidsStats{Current: s.PidsStats.Current, Limit: limit(s.PidsStats.Limit)},
		BlockIo: blockIO(&s.BlkioStats),
	}
	for size, h := range s.HugetlbStats {
		reply.Hugepages = append(reply.Hugepages, &agentpb.HugepageStats{
			PageSize: size, Usage: h.Usage, MaxUsage: h.MaxUsage, FailCount: h.Failcnt})
	}
	return reply, nil
}

// limit makes the protocol's 0 of the ways to write "none".
func limit(v uint64) uint64 {
	if v == math.MaxUint64 {
		return 0
	}
	return v
}

func blockIO(s *cgroups.BlkioStats) []*agentpb.BlockIOStats {
	var list []*agentpb.BlockIOStats
	index := map[[2]uint64]*agentpb.BlockIOStats{}
	at := func(e cgroups.BlkioStatEntry) *agentpb.BlockIOStats {
		key := [2]uint64{e.Major, e.Minor}
		if index[key] == nil {
			index[key] = &agentpb.BlockIOStats{Major: e.Major, Minor: e.Minor}
			list = append(list, index[key])
		}
		return index[key]
	}
	for _, e := range s.IoServiceBytesRecursive {
		switch e.Op {
		case "Read":
			at(e).ReadBytes = e.Value
		case "Write":
			at(e).WriteBytes = e.Value
		}
	}
	for _, e := range s.IoServicedRecursive {
		switch e.Op {
		case "Read":
			at(e).Reads = e.Value
		case "Write":
			at(e).Writes = e.Value
		}
	}
	return list
}
