package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Update changes limits; what the document does not name stays as it is. After an
// error the old ones hold.
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
	// One file after the other is written: what comes first would stay.
	before := held(c.Group(), set.Unified)
	if err := c.cgroup.Set(set); err != nil {
		return errors.Join(fmt.Errorf("update container %s: %w", c.ID, err), restore(c.Group(), before))
	}
	return nil
}

// held answers what the files of a group hold that an update may write: by name,
// and those that the document names itself.
func held(group string, named map[string]string) map[string]string {
	files := []string{
		"pids.max", "memory.max", "memory.low", "memory.swap.max",
		"cpu.idle", "cpu.weight", "cpu.max", "cpu.max.burst",
	}
	pages, _ := filepath.Glob(group + "/hugetlb.*.max") // the pattern is a good one
	for _, path := range pages {
		files = append(files, filepath.Base(path))
	}
	for file := range named {
		if !strings.ContainsRune(file, filepath.Separator) {
			files = append(files, file)
		}
	}
	found := map[string]string{}
	for _, file := range files {
		// What is not there cannot be written either.
		if data, err := os.ReadFile(filepath.Join(group, file)); err == nil {
			found[file] = string(data)
		}
	}
	return found
}

// restore writes back what has changed since, twice, as files depend on each
// other: an idle group takes no weight, a burst is at most the quota.
func restore(group string, before map[string]string) (err error) {
	for range 2 {
		err = nil
		for file, text := range before {
			path := filepath.Join(group, file)
			now, e := os.ReadFile(path)
			if e == nil && string(now) != text {
				e = os.WriteFile(path, []byte(text), 0)
			}
			if e != nil {
				err = errors.Join(err, fmt.Errorf("restore %s: %w", file, e))
			}
		}
	}
	return err
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
