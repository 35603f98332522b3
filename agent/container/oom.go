package container

import "github.com/opencontainers/cgroups/fscommon"

// oomKills answers how many processes the OOM killer took in the container.
func (c *Container) oomKills() uint64 {
	n, err := c.cgroup.OOMKillCount()
	if err != nil {
		// Without the memory controller, and after the group's end.
		return 0
	}
	return n
}

// limitHits answers how often the container's memory was at its limit, which
// libcontainer does not tell of cgroup v2.
func (c *Container) limitHits() uint64 {
	n, err := fscommon.GetValueByKey(c.Group(), "memory.events", "max")
	if err != nil {
		return 0 // without the memory controller, and after the group's end
	}
	return n
}

// NewOOMs answers how many processes the OOM killer took since the last call.
func (c *Container) NewOOMs() uint64 {
	n := c.oomKills()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n <= c.ooms {
		return 0
	}
	fresh := n - c.ooms
	c.ooms = n
	return fresh
}

// MemoryEvents is the file that the kernel marks changed with each OOM kill.
func (c *Container) MemoryEvents() string { return c.cgroup.Path("") + "/memory.events" }

// Group answers the container's cgroup folder.
func (c *Container) Group() string { return c.cgroup.Path("") }
