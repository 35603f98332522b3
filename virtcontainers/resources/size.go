package resources

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Defaults are the sizes for a VM whose spec has no limits, and the bounds.
type Defaults struct {
	// VCPUs without a CPU limit, 1 or more.
	VCPUs uint32
	// MaxVCPUs is never exceeded; 0 means the host's CPUs.
	MaxVCPUs uint32
	// MemoryMiB without a memory limit.
	MemoryMiB uint64
	// MaxMemoryMiB is never exceeded; 0 means the host's memory.
	MaxMemoryMiB uint64
}

// Size is a VM's size at boot.
type Size struct {
	VCPUs     uint32 `json:"vcpus"`
	MemoryMiB uint64 `json:"memory_mib"`
	// Notes say where a limit was not taken as it is, one line each.
	Notes []string `json:"notes,omitempty"`
}

// VMSize answers the VM's size for the limits of r, which may be nil.
func VMSize(d Defaults, r *specs.LinuxResources) (Size, error) {
	return Size{}, errors.New("resources: not there yet")
}
