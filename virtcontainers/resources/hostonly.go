package resources

import "github.com/opencontainers/runtime-spec/specs-go"

// HostOnly names those limits that mean the host's own CPUs and disks, which a
// guest does not have: only the cgroup of a whole VM can hold them.
func HostOnly(r *specs.LinuxResources) (names []string) {
	if r == nil {
		return nil
	}
	if cpuset(r.CPU) != nil {
		names = append(names, "cpuset")
	}
	if io := r.BlockIO; io != nil && (io.Weight != nil && *io.Weight > 0 || len(io.WeightDevice)+len(io.ThrottleReadBpsDevice)+
		len(io.ThrottleWriteBpsDevice)+len(io.ThrottleReadIOPSDevice)+len(io.ThrottleWriteIOPSDevice) > 0) {
		names = append(names, "blockIO")
	}
	return names
}
