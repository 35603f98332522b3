package hypervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Names of the virtio-mem device and of its memory.
const (
	vmemID      = "vmem0"
	vmemBackend = "mem-vmem0"
)

// vmemBlock is the unit of its size in MiB: what the guest's kernel can take and
// give at a time, a block of its page allocator (x86-64: 4 MiB at most).
const vmemBlock = 4

// vmemParams have the guest's kernel take the memory into use by itself, most
// of it where nothing lies that cannot be moved, so that it can be given back
// (Linux, Documentation/admin-guide/mm/memory-hotplug.rst).
var vmemParams = []string{"memhp_default_state=online", "memory_hotplug.online_policy=auto-movable"}

// hasVirtioMem tells whether the VM grows by a virtio-mem device.
func (c *cmdline) hasVirtioMem() bool { return c.cfg.EnableVirtioMem && c.vmemSize() > 0 }

// vmemSize is the most that the device can have, in MiB.
func (c *cmdline) vmemSize() uint64 {
	most := c.mostMemory()
	if !c.machine.memHotplug || most <= c.spec.MemoryMiB {
		return 0
	}
	return (most - c.spec.MemoryMiB) / MemoryStep * MemoryStep
}

// virtioMem is the device, with nothing in it. Its memory is reserved nowhere:
// most of it may never be used.
func (c *cmdline) virtioMem() {
	if !c.hasVirtioMem() {
		return
	}
	backend := c.memoryBackend()
	if backend == "" {
		backend = "memory-backend-ram"
	}
	c.addf("-object", "%s,id=%s,size=%dM,reserve=off", backend, vmemBackend, c.vmemSize())
	c.addf("-device", "%s,id=%s,memdev=%s,requested-size=0,block-size=%dM%s", c.machine.device("virtio-mem"), vmemID, vmemBackend, vmemBlock, c.pciOpts())
}

// vmemState is what QEMU tells of the device, in bytes.
type vmemState struct {
	ID        string `json:"id"`
	Size      uint64 `json:"size"`
	Requested uint64 `json:"requested-size"`
	Max       uint64 `json:"max-size"`
}

// vmem answers the VM's virtio-mem device; nil if it has none.
func (m *Monitor) vmem(ctx context.Context) (*vmemState, error) {
	var devices []struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := m.do(ctx, "query-memory-devices", nil, &devices); err != nil {
		return nil, err
	}
	for _, d := range devices {
		if d.Type != "virtio-mem" {
			continue
		}
		s := new(vmemState)
		return s, json.Unmarshal(d.Data, s)
	}
	return nil, nil
}

// Elastic tells whether SetMemory and RaiseMemory can be used.
func (m *Monitor) Elastic(ctx context.Context) (bool, error) {
	s, err := m.vmem(ctx)
	return s != nil, err
}

// SetMemory asks the guest to have mib of memory beyond what it booted with,
// rounded up. If that is more than it has, it waits until the guest has it, or
// ctx ends; memory that is to be given back comes when the guest can spare it.
// ErrNoRoom if the device cannot have so much.
func (m *Monitor) SetMemory(ctx context.Context, mib uint64) error {
	return m.askMemory(ctx, mib, false)
}

// RaiseMemory is SetMemory for who takes nothing back: a guest that was asked for
// more than mib keeps that, and one that gives memory back and is not through with
// it stops at mib.
func (m *Monitor) RaiseMemory(ctx context.Context, mib uint64) error {
	return m.askMemory(ctx, mib, true)
}

func (m *Monitor) askMemory(ctx context.Context, mib uint64, raise bool) error {
	// Registered first, so that the event cannot come too early.
	events, cancel := m.Events()
	defer cancel()
	s, err := m.vmem(ctx)
	if err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("memory: %w: the machine has no virtio-mem device", ErrNoHotplug)
	}
	want := (mib + vmemBlock - 1) / vmemBlock * vmemBlock << 20
	if want > s.Max {
		return fmt.Errorf("%w for %d MiB of memory: virtio-mem has %d at most (default_maxmemory)", ErrNoRoom, mib, s.Max>>20)
	}
	if want > s.Requested || want < s.Requested && !raise {
		err := m.do(ctx, "qom-set", map[string]any{"path": "/machine/peripheral/" + vmemID, "property": "requested-size", "value": want}, nil)
		if err != nil {
			return err
		}
	}
	if want <= s.Size {
		return nil
	}
	for s.Size < want {
		select {
		case e, open := <-events:
			if !open {
				return ErrStopped
			}
			if e.Name != "MEMORY_DEVICE_SIZE_CHANGE" {
				continue
			}
			if s, err = m.vmem(ctx); err != nil {
				return err
			}
			if s == nil {
				return errors.New("the virtio-mem device is gone")
			}
		case <-ctx.Done():
			return fmt.Errorf("the guest has taken %d of %d MiB of memory: %w", s.Size>>20, want>>20, ctx.Err())
		}
	}
	return nil
}
