package config

import "github.com/kata-go/kata-runtime/virtcontainers/sandbox"

// Sandbox answers the settings by which sandboxes are made: the parsed structs
// themselves, nothing is copied. What no file says (SystemdCgroup, LogFile) is
// the caller's.
func (c *Config) Sandbox() *sandbox.Settings {
	return &sandbox.Settings{
		Hypervisor: &c.Hypervisor.QEMU.VM,
		Share:      &c.Hypervisor.QEMU.Share,
		Network:    &c.Runtime.Network,
		Cgroups:    &c.Runtime.Cgroups,
		Shim:       &c.Shim.Kata,
		Proxy:      &c.Proxy.Kata,
		Agent:      &c.Agent.Kata,
		Factory:    &c.Factory,

		DisableGuestSeccomp: c.Runtime.DisableGuestSeccomp,
	}
}
