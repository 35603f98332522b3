// Package factory makes virtual machines in the fastest way that is allowed:
// from their kernel, or as clones of a saved one, the template. It keeps the
// templates; whoever knows how to boot a guest fills them.
package factory

import (
	"context"

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// Config is the template's part of the table [factory].
type Config struct {
	// EnableTemplate makes new VMs as clones of a saved one, which "kata-runtime
	// factory init" makes: they start faster, and share its memory until they
	// write to it. A VM that a template does not fit boots as without: one with
	// more memory or CPUs than the default ones, with a block device, with
	// several interfaces, or with shared_fs = "virtio-fs". Clones mount by 9p. Not
	// together with enable_hugepages, enable_mem_prealloc, file_mem_backend or
	// reclaim_guest_freed_memory.
	EnableTemplate bool `toml:"enable_template"`
	// AutoTemplate is EnableTemplate without "factory init": the first start
	// that finds no template for its settings makes one, and takes as long as a
	// boot and a clone. New.
	AutoTemplate bool `toml:"auto_template"`
	// TemplatePath is the folder of the templates. If it is not on a tmpfs, one
	// is mounted on it. Each template takes the memory that its guest has used.
	TemplatePath string `toml:"template_path"`
}

// Default is the configuration without any file.
func Default() Config { return Config{TemplatePath: "/run/kata-containers-template"} }

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

// Boot starts a new machine from its kernel and answers while it boots.
func Boot(ctx context.Context, config *hypervisor.Config, spec *hypervisor.Spec) (*hypervisor.VM, error) {
	return hypervisor.Launch(ctx, config, spec)
}
