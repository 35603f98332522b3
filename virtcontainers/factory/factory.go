// Package factory makes virtual machines in the fastest way that is allowed:
// from their kernel, or as clones of a saved one, the template. It keeps the
// templates; whoever knows how to boot a guest fills them.
package factory

import (
	"context"

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// Config is the table [factory].
type Config struct {
	// EnableTemplate makes new VMs as clones of a saved one, which "kata-runtime
	// factory init" makes: they start faster, and share its memory until they
	// write to it. What a VM needs beyond the default size, its block devices and
	// further interfaces are hot-plugged. Clones mount by 9p: with
	// shared_fs = "virtio-fs" VMs boot as without, and so do those with
	// internetworking_model = "macvtap", and those that need more than their
	// machine type can hot-plug. Not together with enable_hugepages,
	// enable_mem_prealloc or file_mem_backend.
	EnableTemplate bool `toml:"enable_template"`
	// AutoTemplate is EnableTemplate without "factory init": the first start
	// that finds no template for its settings makes one, and takes as long as a
	// boot and a clone. New.
	AutoTemplate bool `toml:"auto_template"`
	// TemplatePath is the folder of the templates. If it is not on a tmpfs, one
	// is mounted on it. Each template takes the memory that its guest has used.
	TemplatePath string `toml:"template_path"`
	// KeepTranslations gives QEMU without KVM what it has translated of the guest's
	// code before: a start is mostly that. The first start with a kernel, an image
	// or a QEMU records it, by a VM of our own, which takes as long as two starts more. It
	// needs the QEMU of "make qemu", and does nothing with KVM. New.
	KeepTranslations bool `toml:"keep_translations"`
	// TranslationsPath is the folder for that, some 40 MB for each guest kernel.
	TranslationsPath string `toml:"translations_path"`
	// VMCacheNumber is the number of VMs that are kept ready, with an agent that has
	// answered: clones where there are templates. 0 keeps none. A server holds them,
	// which "kata-runtime factory init" or the first start begins, and fills up what
	// was handed out. Each takes the memory of a guest; they stand still, and use no
	// CPU. They fit what templates fit, and hugepages and preallocated memory, too.
	VMCacheNumber uint32 `toml:"vm_cache_number"`
	// VMCacheEndpoint is the server's socket. Its VMs' folders, its log and its lock
	// lie beside it.
	VMCacheEndpoint string `toml:"vm_cache_endpoint"`
}

// Default is the configuration without any file.
func Default() Config {
	return Config{TemplatePath: "/run/kata-containers-template", TranslationsPath: "/var/cache/kata-containers/translations", VMCacheEndpoint: "/run/kata-containers/cache.sock"}
}

// Enabled tells whether templates are to be used.
func (c *Config) Enabled() bool { return c.EnableTemplate || c.AutoTemplate }

// Folder answers the folder of the templates.
func (c *Config) Folder() *Folder {
	path := c.TemplatePath
	if path == "" {
		path = Default().TemplatePath
	}
	return &Folder{path: path}
}

// Translations answers the folder of what QEMU has translated.
func (c *Config) Translations() *Translations {
	path := c.TranslationsPath
	if path == "" {
		path = Default().TranslationsPath
	}
	return &Translations{Folder{path: path}}
}

// Endpoint is the socket of the server that keeps VMs ready.
func (c *Config) Endpoint() string {
	if c.VMCacheEndpoint == "" {
		return Default().VMCacheEndpoint
	}
	return c.VMCacheEndpoint
}

// Boot starts a new machine from its kernel and answers while it boots.
func Boot(ctx context.Context, config *hypervisor.Config, spec *hypervisor.Spec) (*hypervisor.VM, error) {
	return hypervisor.Launch(ctx, config, spec)
}
