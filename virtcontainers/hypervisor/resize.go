package hypervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// cpuSlot is an entry of query-hotpluggable-cpus; QOMPath is empty while the
// slot is free.
type cpuSlot struct {
	Type    string                 `json:"type"`
	QOMPath string                 `json:"qom-path"`
	Props   map[string]json.Number `json:"props"`
}

func (m *Monitor) cpuSlots(ctx context.Context) ([]cpuSlot, error) {
	var slots []cpuSlot
	err := m.do(ctx, "query-hotpluggable-cpus", nil, &slots)
	return slots, err
}

// HotplugCPUs adds n CPUs, which the guest's agent must bring online. It
// answers how many it could add, fewer than n when the ceiling is reached.
func (m *Monitor) HotplugCPUs(ctx context.Context, n uint32) (added uint32, err error) {
	if err := m.can("CPUs", cpus); err != nil {
		return 0, err
	}
	slots, err := m.cpuSlots(ctx)
	if err != nil {
		return 0, err
	}
	// QEMU lists the slots backwards: the last free one has the lowest number.
	for i := len(slots) - 1; i >= 0 && added < n; i-- {
		s := slots[i]
		if s.QOMPath != "" {
			continue
		}
		dev := map[string]any{"driver": s.Type, "id": fmt.Sprintf("cpu%d", len(slots)-1-i)}
		for k, v := range s.Props {
			dev[k] = v
		}
		if err := m.do(ctx, "device_add", dev, nil); err != nil {
			return added, err
		}
		added++
	}
	return added, nil
}

// MemoryStep is the unit of hot-plugged memory in MiB: Linux's section size on
// x86-64 below 64 GiB (Documentation/admin-guide/mm/memory-hotplug.rst).
const MemoryStep = 128

// steps rounds up to whole ones.
func steps(mib uint64) uint64 { return (mib + MemoryStep - 1) / MemoryStep * MemoryStep }

// ErrNoRoom is the answer when all slots for memory are taken.
var ErrNoRoom = errors.New("no room is left")

// HotplugMemory adds at least mib of memory, rounded up to MemoryStep, which
// the guest's agent must bring online unless its kernel does so by itself. It
// answers what it added, in MiB, when QEMU has it; GrowMemory when the guest does.
func (m *Monitor) HotplugMemory(ctx context.Context, mib uint64) (added uint64, err error) {
	if err := m.can("memory", func(t *machine) bool { return t.memHotplug }); err != nil {
		return 0, err
	}
	if mib == 0 {
		return 0, nil
	}
	size := steps(mib)
	var dimms []json.RawMessage
	if err := m.do(ctx, "query-memory-devices", nil, &dimms); err != nil {
		return 0, err
	}
	id := dimm(len(dimms))
	backend := map[string]any{"qom-type": "memory-backend-ram"}
	if m.sharesMemory(ctx) {
		backend = map[string]any{"qom-type": "memory-backend-memfd", "share": true}
	}
	maps.Copy(backend, map[string]any{"id": "mem-" + id, "size": size << 20})
	if err := m.do(ctx, "object-add", backend, nil); err != nil {
		return 0, err
	}
	err = m.do(ctx, "device_add", map[string]any{"driver": "pc-dimm", "id": id, "memdev": "mem-" + id}, nil)
	if err == nil {
		return size, nil
	}
	var refusal *QMPError
	if errors.As(err, &refusal) && (strings.Contains(refusal.Desc, "slot") || strings.Contains(refusal.Desc, "not enough space")) {
		err = fmt.Errorf("%w for %d MiB of memory (memory_slots, default_maxmemory): %w", ErrNoRoom, size, err)
	}
	return 0, errors.Join(err, m.undo(ctx, "object-del", map[string]any{"id": "mem-" + id}))
}

func dimm(n int) string { return fmt.Sprintf("dimm%d", n) }

// GrowMemory is HotplugMemory for a guest that runs: it waits for what the
// guest's kernel says to the memory (ACPI specification 6.5, 6.3.5, _OST), until
// ctx ends. ErrNoRoom if the kernel refuses, most often for want of memory to
// manage it with; then the memory is taken away again.
func (m *Monitor) GrowMemory(ctx context.Context, mib uint64) (added uint64, err error) {
	events, cancel := m.Events()
	defer cancel()
	if added, err = m.HotplugMemory(ctx, mib); err != nil || added == 0 {
		return added, err
	}
	var dimms []json.RawMessage
	if err := m.do(ctx, "query-memory-devices", nil, &dimms); err != nil {
		return 0, err
	}
	id := dimm(len(dimms) - 1)
	for {
		select {
		case e, open := <-events:
			if !open {
				return 0, ErrStopped
			}
			var data struct {
				Info struct {
					Device string `json:"device"`
					Status int    `json:"status"`
				} `json:"info"`
			}
			if e.Name != "ACPI_DEVICE_OST" || json.Unmarshal(e.Data, &data) != nil || data.Info.Device != id {
				continue
			}
			if data.Info.Status == 0 {
				return added, nil
			}
			err := fmt.Errorf("%w in the guest for what it needs to manage %d MiB more (_OST status %d)", ErrNoRoom, added, data.Info.Status)
			return 0, errors.Join(err, m.dropMemory(ctx, id))
		case <-ctx.Done():
			return 0, fmt.Errorf("the guest says nothing to %d MiB of memory: %w", added, ctx.Err())
		}
	}
}

// dropMemory takes memory away that the guest does not use.
func (m *Monitor) dropMemory(ctx context.Context, id string) error {
	if err := m.unplug(ctx, id); err != nil {
		return fmt.Errorf("memory %s: %w", id, err)
	}
	return ignoreMissing(m.do(ctx, "object-del", map[string]any{"id": "mem-" + id}, nil))
}

// sharesMemory tells whether a vhost-user daemon maps the guest's memory.
func (m *Monitor) sharesMemory(ctx context.Context) bool {
	var share bool
	err := m.qmp.execute(ctx, "qom-get", map[string]any{"path": "/objects/mem", "property": "share"}, &share)
	return err == nil && share
}
