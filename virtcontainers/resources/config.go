// Package resources sizes a sandbox's VM from its containers' limits and puts
// its processes into host cgroups.
package resources

// Config is the resources' part of the table [runtime].
type Config struct {
	// SandboxCgroupOnly puts all of a sandbox's processes into the pod's cgroup,
	// whose limits then hold for QEMU and its helpers too. Without it a pod's VM
	// is outside of the pod's cgroup and only the containers' limits count, in
	// the guest.
	SandboxCgroupOnly bool `toml:"sandbox_cgroup_only"`
	// StaticSandboxResourceMgmt fixes a VM's size at its start: nothing is
	// hot-plugged for containers that join it, nor for an update of limits. A
	// limit beyond the size cannot be used to the full then.
	StaticSandboxResourceMgmt bool `toml:"static_sandbox_resource_mgmt"`
}

// Default is the configuration without any file.
func Default() Config { return Config{} }
