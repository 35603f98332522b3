package container

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"

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

// Update changes limits; what the document does not name stays as it is.
func (c *Container) Update(r *specs.LinuxResources) error {
	c.change.Lock()
	defer c.change.Unlock()
	if state := c.State(); state == Stopped {
		return c.stateError("update", state)
	}
	c.guest.resources(c.log, c.ID, r)
	// Device rules are part of the isolation, not a limit.
	r.Devices = nil
	set, err := c.limits(r)
	if err != nil {
		return err
	}
	// SkipDevices: the rules in force stay untouched. Freezer likewise.
	set.SkipDevices = true
	if err := c.cgroup.Set(set); err != nil {
		return fmt.Errorf("update container %s: %w", c.ID, err)
	}
	return nil
}

// limits turns the document's limits into libcontainer's, where a zero means
// that a limit stays.
func (c *Container) limits(r *specs.LinuxResources) (*cgroups.Resources, error) {
	group, err := specconv.CreateCgroupConfig(&specconv.CreateOpts{
		CgroupName: c.ID, Spec: &specs.Spec{Linux: &specs.Linux{Resources: r, CgroupsPath: c.spec.Linux.CgroupsPath}},
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: resources: %w", ErrInvalid, err)
	}
	set := group.Resources
	if (set.CpuQuota == 0) != (set.CpuPeriod == 0) {
		if err := c.completeCPU(set); err != nil {
			return nil, err
		}
	}
	if set.MemorySwap != 0 && set.Memory == 0 {
		if err := c.completeSwap(set); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// completeSwap adds the memory limit that is to stay: the document's swap
// counts memory as well, the kernel's (cgroup-v2.rst, memory.swap.max) does not.
func (c *Container) completeSwap(set *cgroups.Resources) error {
	data, err := os.ReadFile(c.Group() + "/memory.max")
	if err != nil {
		return fmt.Errorf("update container %s: %w", c.ID, err)
	}
	text := strings.TrimSpace(string(data))
	if text == "max" {
		set.Memory = -1
		return nil
	}
	if set.Memory, err = strconv.ParseInt(text, 10, 64); err != nil {
		return fmt.Errorf("update container %s: memory.max: %w", c.ID, err)
	}
	return nil
}

// completeCPU fills in the half of quota and period that is to stay: the kernel
// takes them together (cgroup-v2.rst, cpu.max).
func (c *Container) completeCPU(set *cgroups.Resources) error {
	data, err := os.ReadFile(c.Group() + "/cpu.max")
	if err != nil {
		return fmt.Errorf("update container %s: %w", c.ID, err)
	}
	var quota string
	var period uint64
	if _, err := fmt.Sscan(string(data), &quota, &period); err != nil {
		return fmt.Errorf("update container %s: cpu.max %q: %w", c.ID, data, err)
	}
	if set.CpuPeriod == 0 {
		set.CpuPeriod = period
		return nil
	}
	if quota == "max" {
		set.CpuQuota = -1
		return nil
	}
	set.CpuQuota, err = strconv.ParseInt(quota, 10, 64)
	return err
}
