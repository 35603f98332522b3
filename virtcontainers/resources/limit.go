package resources

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Limit sets those limits of r (nil: none) that the host enforces for a
// container's group and so for the VM below it: CPU weight, quota and set, and
// block I/O, which only the host sees. They hold besides the guest's own
// limits, against a guest that does not keep to those. Call it once the guest
// has booted: a small quota would slow that down. Not for CRI containers, whose
// VM is not below them.
//
// Nothing else of r is the host's: memory would kill QEMU, and pids, huge pages
// and devices are the guest's. warnings name what the host does not have or does
// not let us set. A value that the kernel refuses is an error, as with runc, after
// which others may be set: for a group that is new, and removed then.
func (g *Group) Limit(r *specs.LinuxResources) (warnings []string, err error) {
	if r == nil || len(g.Paths) == 0 {
		return nil, nil
	}
	return g.set(r)
}

// Relimit is Limit for a group that has limits: after an error the old ones hold.
// undo, never nil, brings them back later.
func (g *Group) Relimit(r *specs.LinuxResources) (warnings []string, undo func() error, err error) {
	undo = func() error { return nil }
	if r == nil || len(g.Paths) == 0 {
		return nil, undo, nil
	}
	before := g.settings()
	undo = func() error { return restore(before) }
	files := *g
	files.Systemd = false
	if warnings, err = files.set(r); err != nil || !g.Systemd {
		if err != nil {
			err = errors.Join(err, undo())
		}
		return warnings, undo, err
	}
	// Now that the kernel takes them: systemd would keep what it was told, and write
	// it again whenever it reads its units.
	undo = func() error { return errors.Join(g.tell(before), restore(before)) }
	if warnings, err = g.set(r); err != nil {
		err = errors.Join(err, undo())
	}
	return warnings, undo, err
}

func (g *Group) set(r *specs.LinuxResources) (warnings []string, err error) {
	for _, part := range []struct {
		controller string
		resources  *cgroups.Resources
	}{
		{"cpu", cpuLimits(r.CPU)},
		{"cpuset", cpuset(r.CPU)},
		{"blkio", blockIO(r.BlockIO)},
	} {
		if part.resources == nil {
			continue
		}
		if g.Paths[part.controller] == "" && !cgroups.IsCgroup2UnifiedMode() {
			warnings = append(warnings, fmt.Sprintf("the host has no cgroup controller %s: its limits are not set on the host", part.controller))
			continue
		}
		part.resources.SkipDevices = true
		config, err := g.config(part.resources)
		if err != nil {
			return warnings, err
		}
		m, err := manager.NewWithPaths(config, g.Paths)
		if err != nil {
			return warnings, fmt.Errorf("cgroup %s: %w", g.Path, err)
		}
		set := m.Set
		if part.controller == "cpuset" && !cgroups.IsCgroup2UnifiedMode() {
			set = g.setCpuset
		}
		switch err := set(part.resources); {
		case err == nil:
		case !lacking(err):
			return warnings, fmt.Errorf("the host refuses the limits of %s: %w", part.controller, err)
		default:
			warnings = append(warnings, fmt.Sprintf("limits of %s are not set on the host: %v", part.controller, err))
		}
	}
	return warnings, nil
}

// lacking tells of an error that the host is the reason of, not the value: it has
// no such file, or a user without privileges may not open it. A value that may
// not be written, such as a CPU that the group above has not, is no such case.
func lacking(err error) bool {
	var path *os.PathError
	if errors.As(err, &path) && path.Op == "write" {
		return false
	}
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS)
}

func cpuLimits(cpu *specs.LinuxCPU) *cgroups.Resources {
	if cpu == nil || cpu.Shares == nil && cpu.Quota == nil && cpu.Period == nil {
		return nil
	}
	r := &cgroups.Resources{
		CpuShares: value(cpu.Shares), CpuQuota: value(cpu.Quota), CpuPeriod: value(cpu.Period), CpuBurst: cpu.Burst,
	}
	r.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(r.CpuShares)
	return r
}

func cpuset(cpu *specs.LinuxCPU) *cgroups.Resources {
	if cpu == nil || cpu.Cpus == "" && cpu.Mems == "" {
		return nil
	}
	return &cgroups.Resources{CpusetCpus: cpu.Cpus, CpusetMems: cpu.Mems}
}

func blockIO(io *specs.LinuxBlockIO) *cgroups.Resources {
	if io == nil {
		return nil
	}
	r := &cgroups.Resources{}
	if io.Weight != nil {
		r.BlkioWeight = *io.Weight
	}
	if io.LeafWeight != nil {
		r.BlkioLeafWeight = *io.LeafWeight
	}
	for _, d := range io.WeightDevice {
		var weight, leaf uint16
		if d.Weight != nil {
			weight = *d.Weight
		}
		if d.LeafWeight != nil {
			leaf = *d.LeafWeight
		}
		r.BlkioWeightDevice = append(r.BlkioWeightDevice, cgroups.NewWeightDevice(d.Major, d.Minor, weight, leaf))
	}
	r.BlkioThrottleReadBpsDevice = throttles(io.ThrottleReadBpsDevice)
	r.BlkioThrottleWriteBpsDevice = throttles(io.ThrottleWriteBpsDevice)
	r.BlkioThrottleReadIOPSDevice = throttles(io.ThrottleReadIOPSDevice)
	r.BlkioThrottleWriteIOPSDevice = throttles(io.ThrottleWriteIOPSDevice)
	return r
}

func throttles(devices []specs.LinuxThrottleDevice) []*cgroups.ThrottleDevice {
	var out []*cgroups.ThrottleDevice
	for _, d := range devices {
		out = append(out, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate))
	}
	return out
}
