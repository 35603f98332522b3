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

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// prefix is where kata-runtime is installed; the linker sets it
// (-X github.com/kata-go/kata-runtime/config.prefix=/usr).
var prefix = "/usr/local"

// VM are the machine's settings; another name for hypervisor.Config, so that
// it can be embedded beside other structs called Config.
type VM = hypervisor.Config

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
	AssetPaths
}

// AssetPaths limit which files of the host a pod's annotations may name, in
// addition to the lists in hypervisor.Config and share.Config.
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
}

// Factory is the table [factory].
type Factory struct {
	// EnableTemplate makes new VMs as clones of a saved one. There are no
	// templates yet, so VMs are booted whatever it says.
	EnableTemplate bool `toml:"enable_template" effect:"none"`
	// TemplatePath is the folder (on a tmpfs) of the saved VM, as EnableTemplate
	// for one that is not there yet.
	TemplatePath string `toml:"template_path" effect:"none"`
	// VMCacheNumber is the number of VMs that are booted ahead. There is no such
	// cache yet.
	VMCacheNumber uint32 `toml:"vm_cache_number" effect:"none"`
	// VMCacheEndpoint is the socket of the server that keeps VMs ahead, as
	// VMCacheNumber for one that is not there yet.
	VMCacheEndpoint string `toml:"vm_cache_endpoint" effect:"none"`
}

// Proxy is the table [proxy.kata].
type Proxy struct {
	// Path is kata-proxy's binary. It runs once per sandbox if the agent is not
	// reached by vsock.
	Path string `toml:"path"`
	// EnableDebug logs the proxy's work and the guest's console.
	EnableDebug bool `toml:"enable_debug"`
}

// Shim is the table [shim.kata].
type Shim struct {
	// Path is kata-shim's binary, which stands in for a container's process on
	// the host.
	Path string `toml:"path"`
	// EnableDebug logs the shim's work.
	EnableDebug bool `toml:"enable_debug"`
}

// Agent is the table [agent.kata].
type Agent struct {
	// EnableDebug lets the agent log at debug level, on the guest's console.
	EnableDebug bool `toml:"enable_debug"`
}

// Runtime is the table [runtime].
type Runtime struct {
	// EnableDebug lets kata-runtime log at debug level, as its flag --debug does.
	EnableDebug bool `toml:"enable_debug"`
	// DisableGuestSeccomp leaves the seccomp profile of a container's spec out
	// in the guest. The VM isolates without it, but a process in the container
	// can then reach more of the guest's kernel. Kata 1.x had true here.
	DisableGuestSeccomp bool `toml:"disable_guest_seccomp"`
	// SandboxCgroupOnly puts all of a sandbox's processes into the pod's cgroup,
	// whose limits then hold for QEMU and its helpers too. Without it they are in
	// a cgroup of their own and only the containers' limits count, in the guest.
	SandboxCgroupOnly bool `toml:"sandbox_cgroup_only"`
}

// Default is the configuration without any file. Its paths are those of an
// installation below the prefix that the binary was built for.
func Default() *Config {
	c := &Config{}
	q := &c.Hypervisor.QEMU
	q.VM = hypervisor.Default()
	share := filepath.Join(prefix, "share/kata-containers")
	q.Kernel = filepath.Join(share, "vmlinuz")
	q.Initrd = filepath.Join(share, "kata-containers-initrd.img")
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
