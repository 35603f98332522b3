package oci

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Disk is a block device of the host that the spec hands to the container.
type Disk struct {
	// Path is where the container sees it.
	Path string
	// Major and Minor are the host's numbers.
	Major, Minor int64
	// ReadOnly: no rule allows the container to write.
	ReadOnly bool
}

// Disks answers the block devices that the user named (docker --device): those
// with a rule of their own in linux.resources.devices. A privileged container
// gets a list of all that the host has instead, and one rule for everything:
// none of the host's disks is meant by that.
func Disks(spec *specs.Spec) []Disk {
	var disks []Disk
	for _, d := range spec.Linux.Devices {
		if d.Type != "b" {
			continue
		}
		if access, named := ruleOf(spec, d); named {
			disks = append(disks, Disk{d.Path, d.Major, d.Minor, !strings.Contains(access, "w")})
		}
	}
	return disks
}

// ruleOf answers what the device's own rule allows.
func ruleOf(spec *specs.Spec, d specs.LinuxDevice) (access string, named bool) {
	if spec.Linux.Resources == nil {
		return "", false
	}
	for _, r := range spec.Linux.Resources.Devices {
		if r.Allow && r.Type == d.Type && r.Major != nil && r.Minor != nil && *r.Major == d.Major && *r.Minor == d.Minor {
			access, named = r.Access, true // the last one counts, as in the kernel
		}
	}
	return access, named
}

// guestDevices leaves out the host's disks that were not named: their numbers
// would be those of the guest's own.
func guestDevices(spec *specs.Spec) []specs.LinuxDevice {
	return slices.DeleteFunc(slices.Clone(spec.Linux.Devices), func(d specs.LinuxDevice) bool {
		_, named := ruleOf(spec, d)
		return d.Type == "b" && !named
	})
}
