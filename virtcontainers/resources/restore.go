package resources

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
)

// limitFiles are those that Relimit may write, by controller: of cgroup v1, and
// under "" of v2.
var limitFiles = map[string][]string{
	"cpu":    {"cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.cfs_burst_us"},
	"cpuset": cpusetFiles,
	"blkio": {
		"blkio.weight", "blkio.weight_device", "blkio.leaf_weight", "blkio.leaf_weight_device", "blkio.bfq.weight", "blkio.bfq.weight_device",
		"blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device", "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device",
	},
	"": {"cpu.weight", "cpu.idle", "cpu.max", "cpu.max.burst", "cpuset.cpus", "cpuset.mems", "io.weight", "io.bfq.weight", "io.max"},
}

// setting is a file of a cgroup, and what it held.
type setting struct{ dir, file, text string }

// settings reads what Relimit may change. What cannot be read is not there.
func (g *Group) settings() []setting {
	var found []setting
	add := func(dir string, files []string) {
		for _, file := range files {
			if text, err := cgroups.ReadFile(dir, file); err == nil {
				found = append(found, setting{dir, file, text})
			}
		}
	}
	for controller, dir := range g.Paths {
		add(dir, limitFiles[controller])
		if controller == "cpuset" {
			for _, below := range cpusetsBelow(dir) {
				add(below, cpusetFiles)
			}
		}
	}
	return found
}

// tell has systemd know again what the settings were; it cannot be made to forget
// a cpuset.
func (g *Group) tell(settings []setting) error {
	r := &cgroups.Resources{SkipDevices: true}
	for _, s := range settings {
		text := strings.TrimSpace(s.text)
		switch s.file {
		case "cpu.weight":
			r.CpuWeight, _ = strconv.ParseUint(text, 10, 64)
		case "cpu.shares":
			r.CpuShares, _ = strconv.ParseUint(text, 10, 64)
		case "cpu.cfs_quota_us":
			r.CpuQuota, _ = strconv.ParseInt(text, 10, 64)
		case "cpu.cfs_period_us":
			r.CpuPeriod, _ = strconv.ParseUint(text, 10, 64)
		case "cpu.max":
			if n, _ := fmt.Sscan(text, &r.CpuQuota, &r.CpuPeriod); n == 0 {
				r.CpuQuota = -1 // "max"
			}
		}
	}
	config, err := g.config(r)
	if err != nil {
		return err
	}
	m, err := manager.NewWithPaths(config, g.Paths)
	if err != nil {
		return err
	}
	return m.Set(r)
}

// restore writes back what has changed since. Files depend on each other, such as
// a quota and its period, or a cpuset and those below it: so it goes over them
// again while one is refused.
func restore(settings []setting) error {
	widenAll(settings)
	var err error
	for range len(cpusetFiles) + 1 {
		err = nil
		for _, s := range settings {
			if now, e := cgroups.ReadFile(s.dir, s.file); e != nil || now == s.text {
				continue // a group that has gone has nothing to be restored
			}
			err = errors.Join(err, s.write())
		}
		if err == nil {
			return nil
		}
	}
	return err
}

// write sets a file to what it held; the kernel takes a line at a time. A disk
// that has a line only since then loses it.
func (s setting) write() error {
	now, err := cgroups.ReadFile(s.dir, s.file)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(s.text), "\n")
	for line := range strings.Lines(now) {
		disk, _, found := strings.Cut(strings.TrimSpace(line), " ")
		if found && strings.Contains(disk, ":") && !strings.Contains("\n"+s.text, "\n"+disk+" ") {
			lines = append(lines, disk+" "+unlimited(s.file))
		}
	}
	for _, line := range lines {
		// Nothing at all would be no write: an empty cpuset of v2 is a line.
		if e := cgroups.WriteFile(s.dir, s.file, line+"\n"); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// unlimited is what takes a disk's line out of a file.
func unlimited(file string) string {
	switch {
	case file == "io.max":
		return "rbps=max wbps=max riops=max wiops=max"
	case strings.HasPrefix(file, "io."):
		return "default"
	}
	return "0"
}
