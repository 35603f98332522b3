package config

import (
	"fmt"
	"strings"
)

// checkTogether looks at what single values cannot show, and lets a default
// give way to what a file sets in its place.
func checkTogether(c *Config, o *Origins) error {
	const initrd, image = "hypervisor.qemu.initrd", "hypervisor.qemu.image"
	q := &c.Hypervisor.QEMU
	if q.Image != "" && o.Of(initrd) == (Origin{}) {
		q.Initrd = ""
	}
	switch {
	case q.Initrd != "" && q.Image != "":
		return fmt.Errorf("%s: %s is set, and %s at %s: set one of them to \"\"",
			o.Of(image), image, initrd, o.Of(initrd))
	case q.Initrd == "" && q.Image == "":
		at := o.Of(initrd)
		if at == (Origin{}) {
			at = o.Of(image)
		}
		return fmt.Errorf("%s: neither %s nor %s is set: the guest needs one of them", at, initrd, image)
	}
	// An empty path has always meant the installed file.
	base := Default()
	for _, p := range []struct{ path, installed *string }{
		{&q.Kernel, &base.Hypervisor.QEMU.Kernel},
		{&c.Proxy.Kata.Path, &base.Proxy.Kata.Path},
		{&c.Shim.Kata.Path, &base.Shim.Kata.Path},
	} {
		if *p.path == "" {
			*p.path = *p.installed
		}
	}
	return validate(c, o)
}

// validate asks the packages about their settings. Their messages name the
// key without its table, from which the place follows.
func validate(c *Config, o *Origins) error {
	for _, part := range []struct {
		table  string
		config interface{ Validate() error }
	}{
		{"hypervisor.qemu", c.Hypervisor.QEMU.Share},
		{"runtime", c.Runtime.Network},
	} {
		err := part.config.Validate()
		if err == nil {
			continue
		}
		key := strings.TrimRight(strings.Fields(err.Error())[0], ":")
		if at := o.Of(part.table + "." + key); at != (Origin{}) {
			return fmt.Errorf("%s: [%s] %w", at, part.table, err)
		}
		return fmt.Errorf("[%s] %w", part.table, err)
	}
	return nil
}
