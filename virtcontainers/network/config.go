// Package network ties the interfaces of a sandbox's network namespace to the
// NICs of its VM, and keeps the namespace.
package network

import "fmt"

// Models of Config.Model.
const (
	// ModelTCFilter redirects every frame between the interface and a tap with
	// tc. The NIC can be plugged before any interface exists.
	ModelTCFilter = "tcfilter"
	// ModelMacvtap puts a macvtap on the interface, whose queues the VM gets.
	// That device needs the interface first, so it only serves an interface that
	// is there when the VM boots; one that comes later gets tcfilter.
	ModelMacvtap = "macvtap"
	// ModelNone leaves the VM without a NIC.
	ModelNone = "none"
)

// Config is the network's part of the table [runtime].
type Config struct {
	// Model says how a VM's NIC is tied to the interface in the network namespace:
	// "tcfilter" (the default), "macvtap" (only for interfaces that exist before
	// the VM boots, tcfilter for the others) or "none" (no NIC at all).
	Model string `toml:"internetworking_model"`
	// DisableNewNetNS makes no network namespace for a sandbox and runs the VM in
	// the host's. It needs internetworking_model = "none".
	DisableNewNetNS bool `toml:"disable_new_netns"`
	// DisableFollow leaves the guest's network as it was at start, whatever changes
	// in the network namespace then ("docker network connect"). It saves the
	// process that follows the changes; kata-network still brings them.
	DisableFollow bool `toml:"disable_network_follow"`
}

// Default is the configuration without any file.
func Default() Config { return Config{Model: ModelTCFilter} }

// Validate tells what is wrong with the settings, naming the key.
func (c Config) Validate() error {
	switch c.Model {
	case ModelTCFilter, ModelMacvtap, ModelNone:
	default:
		return fmt.Errorf("internetworking_model = %q: must be %q, %q or %q", c.Model, ModelTCFilter, ModelMacvtap, ModelNone)
	}
	if c.DisableNewNetNS && c.Model != ModelNone {
		return fmt.Errorf("disable_new_netns needs internetworking_model = %q, not %q", ModelNone, c.Model)
	}
	return nil
}
