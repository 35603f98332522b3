package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
)

// kataEnv is what is read of "kata-env --json".
type kataEnv struct {
	Hypervisor struct{ Path, Version, MachineType, Accelerator string }
	Kernel     asset
	Initrd     asset
	Image      asset
	Proxy      helper
	Shim       helper
	Runtime    helper
}

type asset struct {
	Path  string
	Bytes int64
}

type helper struct{ Path string }

// settings asks kata-runtime how it makes its VMs. The flags go before.
func settings(ctx context.Context, p *peer.Peer, o *options) (floor.Machine, *kataEnv, error) {
	var env kataEnv
	if err := ask(ctx, p, &env, "kata-env", "--json"); err != nil {
		return floor.Machine{}, nil, err
	}
	var keys []struct {
		Key   string
		Value any
	}
	if err := ask(ctx, p, &keys, "kata-env", "--config-origin", "--json"); err != nil {
		return floor.Machine{}, nil, err
	}
	m := floor.Machine{
		QEMU: env.Hypervisor.Path, Type: env.Hypervisor.MachineType, Accelerator: env.Hypervisor.Accelerator,
		Kernel: env.Kernel.Path, Initrd: env.Initrd.Path,
	}
	for _, k := range keys {
		n, isNumber := k.Value.(float64)
		switch {
		case !isNumber:
		case k.Key == "hypervisor.qemu.default_memory":
			m.MemoryMiB = int(n)
		case k.Key == "hypervisor.qemu.default_vcpus":
			m.VCPUs = int(n)
		}
	}
	return m, &env, nil
}

func ask(ctx context.Context, p *peer.Peer, into any, args ...string) error {
	r, err := p.Run(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(r.Out, into); err != nil {
		return fmt.Errorf("%s %v: %w", p.Name, args, err)
	}
	return nil
}

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
func (e *kataEnv) sizes() []report.Size {
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
