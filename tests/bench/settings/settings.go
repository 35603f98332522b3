// Package settings asks a kata-runtime how it makes its VMs.
package settings

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
)

// Env is what is read of "kata-env --json".
type Env struct {
	Hypervisor struct{ Path, Version, MachineType, Accelerator string }
	Kernel     Asset
	Initrd     Asset
	Image      Asset
	Proxy      Helper
	Shim       Helper
	Runtime    Helper
	// Keeps: QEMU keeps what it has translated.
	Keeps bool `json:"-"`
	// Keys are the names of all settings.
	Keys []string `json:"-"`
}

// Asset is a file that VMs are made of.
type Asset struct {
	Path  string
	Bytes int64
}

// Helper is one of the programs.
type Helper struct{ Path string }

// Read asks kata-runtime p.
func Read(ctx context.Context, p *peer.Peer) (floor.Machine, *Env, error) {
	var env Env
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
		env.Keys = append(env.Keys, k.Key)
		if k.Key == "factory.keep_translations" {
			env.Keeps, _ = k.Value.(bool)
		}
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
