package main

import (
	"fmt"
	"os/exec"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/settings"
)

// override puts the flags in, and the defaults of what nobody says.
func (o *options) override(m *floor.Machine) {
	for _, s := range []struct {
		to             *string
		flag, fallback string
	}{
		{&m.QEMU, o.qemu, "qemu-system-x86_64"}, {&m.Kernel, o.kernel, ""}, {&m.Initrd, o.initrd, ""},
		{&m.Type, o.machine, "q35"}, {&m.Accelerator, o.accelerator, "tcg"},
	} {
		if s.flag != "" {
			*s.to = s.flag
		}
		if *s.to == "" {
			*s.to = s.fallback
		}
	}
	if o.memoryMiB > 0 {
		m.MemoryMiB = o.memoryMiB
	}
	if o.vcpus > 0 {
		m.VCPUs = o.vcpus
	}
	if m.MemoryMiB <= 0 {
		m.MemoryMiB = 256 // the runtime's own default
	}
	if m.VCPUs <= 0 {
		m.VCPUs = 1
	}
	if m.TSCKHz == 0 {
		m.TSCKHz = floor.HostTSC()
	}
}

// sizes lists the files that a sandbox is made of.
func sizes(e *settings.Env) []report.Size {
	var list []report.Size
	for _, f := range []struct{ name, path string }{
		{"kata-runtime", e.Runtime.Path}, {"kata-shim", e.Shim.Path}, {"kata-proxy", e.Proxy.Path},
		{"guest kernel", e.Kernel.Path}, {"guest initrd", e.Initrd.Path}, {"guest image", e.Image.Path},
	} {
		if size, ok := report.FileSize(f.name, f.path); ok {
			list = append(list, size)
		}
	}
	if size, err := floor.AgentSize(e.Initrd.Path); err == nil {
		list = append(list, report.Size{Name: "kata-agent (in the initrd)", Bytes: size})
	}
	return list
}

// find answers a binary's path, or why there is none.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("not installed: %w", err)
	}
	return path, nil
}
