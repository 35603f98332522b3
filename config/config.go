// Package config reads kata-runtime's configuration: one file, drop-ins beside
// it, and the annotations of a pod as far as the administrator lets them.
//
// Each package that has settings owns their struct; Config puts those together
// and is what is both parsed and used. Keys, limits and what belongs in the
// documentation stand in one list, Schema.
package config

import (
	"path/filepath"
	"reflect"
	"slices"

	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
)

// prefix is where kata-runtime is installed; the linker sets it
// (-X github.com/kata-go/kata-runtime/config.prefix=/usr).
var prefix = "/usr/local"

// Other names for the packages' structs, so that those, which are all called
// Config, can be embedded beside each other: q.VM, q.Share, r.Network, r.Cgroups.
type (
	VM      = hypervisor.Config
	Share   = share.Config
	Network = network.Config
	Cgroups = resources.Config
	Proxy   = sandbox.ProxyConfig
	Shim    = container.ShimConfig
	Agent   = sandbox.AgentConfig

	Factory = factory.Config
)

// Config is the whole configuration. It is plain data: Load has checked it,
// and nobody changes it afterwards.
type Config struct {
	Hypervisor struct {
		QEMU QEMU `toml:"qemu"`
	} `toml:"hypervisor"`
	Factory Factory `toml:"factory"`
	Proxy   struct {
		Kata Proxy `toml:"kata"`
	} `toml:"proxy"`
	Shim struct {
		Kata Shim `toml:"kata"`
	} `toml:"shim"`
	Agent struct {
		Kata Agent `toml:"kata"`
	} `toml:"agent"`
	Runtime Runtime `toml:"runtime"`
}

// QEMU is the table [hypervisor.qemu].
type QEMU struct {
	VM
	Share
	AssetPaths
}

// AssetPaths limit which files of the host a pod's annotations may name, in
// addition to the lists in hypervisor.Config.
type AssetPaths struct {
	// ValidKernelPaths are the values (globs) that an annotation may give to
	// kernel. Empty: none.
	ValidKernelPaths []string `toml:"valid_kernel_paths"`
	// ValidInitrdPaths are the values (globs) that an annotation may give to
	// initrd. Empty: none.
	ValidInitrdPaths []string `toml:"valid_initrd_paths"`
	// ValidImagePaths are the values (globs) that an annotation may give to
	// image. Empty: none.
	ValidImagePaths []string `toml:"valid_image_paths"`
	// ValidFirmwarePaths are the values (globs) that an annotation may give to
	// firmware. Empty: none.
	ValidFirmwarePaths []string `toml:"valid_firmware_paths"`
	// ValidVirtioFSDaemonPaths are the values (globs) that an annotation may give
	// to virtio_fs_daemon. Empty: none.
	ValidVirtioFSDaemonPaths []string `toml:"valid_virtio_fs_daemon_paths"`
}

// Runtime is the table [runtime].
type Runtime struct {
	Network
	Cgroups
	// EnableDebug lets kata-runtime log at debug level, as its flag --debug does.
	EnableDebug bool `toml:"enable_debug"`
	// DisableGuestSeccomp leaves the seccomp profile of a container's spec out
	// in the guest. The VM isolates without it, but a process in the container
	// can then reach more of the guest's kernel. Kata 1.x had true here.
	DisableGuestSeccomp bool `toml:"disable_guest_seccomp"`
}

// Default is the configuration without any file. Its paths are those of an
// installation below the prefix that the binary was built for.
func Default() *Config {
	c := &Config{}
	q := &c.Hypervisor.QEMU
	q.VM, q.Share = hypervisor.Default(), share.Default()
	c.Factory = factory.Default()
	c.Runtime.Network, c.Runtime.Cgroups = network.Default(), resources.Default()
	assets := filepath.Join(prefix, "share/kata-containers")
	q.Kernel = filepath.Join(assets, "debian/vmlinux")
	q.Initrd = filepath.Join(assets, "debian/initrd.img")
	libexec := filepath.Join(prefix, "libexec/kata-containers")
	c.Proxy.Kata.Path = filepath.Join(libexec, "kata-proxy")
	c.Shim.Kata.Path = filepath.Join(libexec, "kata-shim")
	return c
}

// Clone answers a copy that shares nothing with c.
func (c *Config) Clone() *Config {
	copied := *c
	v := reflect.ValueOf(&copied).Elem()
	for _, index := range fieldIndex() {
		if f := v.FieldByIndex(index); f.Kind() == reflect.Slice {
			f.Set(reflect.ValueOf(slices.Clone(f.Interface().([]string))))
		}
	}
	return &copied
}
