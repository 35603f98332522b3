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

// guestDevices leaves out the host's disks that were not named but that a rule
// for many lets the container use: their numbers would be those of the guest's
// own. Where no rule does, the node is all that there is of a device.
func guestDevices(spec *specs.Spec) []specs.LinuxDevice {
	return slices.DeleteFunc(slices.Clone(spec.Linux.Devices), func(d specs.LinuxDevice) bool {
		_, named := ruleOf(spec, d)
		return d.Type == "b" && !named && usable(spec, d)
	})
}

// usable tells whether some rule lets the container read or write the device,
// even if a later one does not.
func usable(spec *specs.Spec, d specs.LinuxDevice) bool {
	if spec.Linux.Resources == nil {
		return false
	}
	// -1 is for all, as is what is left out (runtime-spec, config-linux.md, "Allowed Device list").
	fits := func(rule *int64, number int64) bool { return rule == nil || *rule == -1 || *rule == number }
	return slices.ContainsFunc(spec.Linux.Resources.Devices, func(r specs.LinuxDeviceCgroup) bool {
		return r.Allow && (r.Type == "" || r.Type == "a" || r.Type == d.Type) && fits(r.Major, d.Major) && fits(r.Minor, d.Minor) &&
			(r.Access == "" || strings.ContainsAny(r.Access, "rw"))
	})
}
