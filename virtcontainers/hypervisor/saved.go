package hypervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// MemoryFile is a file that holds a guest's memory. With it a VM can be saved
// while its memory stays where it is, and others can go on from there.
type MemoryFile struct {
	// File is open for reading and writing and Spec.MemoryMiB long; on a tmpfs,
	// so that its pages are memory already.
	File *os.File
	// Private keeps what the guest writes to itself (copy on write). Without it
	// the file is the guest's memory.
	Private bool
	// ReadOnly, with Private, gives QEMU no right to write to File, which then
	// need not be open for that. Only a QEMU whose CanMapReadOnly says so can.
	ReadOnly bool
}

// CanMapReadOnly tells whether the VM's QEMU can map a file privately that it
// cannot write to: since 8.2 a memory backend that is readonly can be memory
// still (docs of memory-backend-file, "rom").
func (m *Monitor) CanMapReadOnly(ctx context.Context) (bool, error) {
	var v struct {
		QEMU struct{ Major, Minor int }
	}
	if err := m.do(ctx, "query-version", nil, &v); err != nil {
		return false, err
	}
	return v.QEMU.Major > 8 || v.QEMU.Major == 8 && v.QEMU.Minor >= 2, nil
}

// errMemoryFile is the answer to a configuration whose memory cannot be a file
// that clones share.
var errMemoryFile = errors.New("[hypervisor.qemu] enable_hugepages, enable_virtio_mem, enable_mem_prealloc and file_mem_backend exclude saved VMs")

// sharesFile tells whether the configuration leaves the guest's memory to a
// MemoryFile. virtio-mem's would have to be saved beside it.
func (c *Config) sharesFile() error {
	if c.EnableHugePages || c.EnableVirtioMem || c.EnableMemPrealloc || c.FileMemBackend != "" {
		return errMemoryFile
	}
	return nil
}

// Save stops the VM and writes the state of its CPUs and devices to file. What
// is in its MemoryFile is not in it. The VM stays stopped. No share may be
// mounted in the guest, and no vhost-user device in the VM: QEMU refuses then.
func (m *Monitor) Save(ctx context.Context, file *os.File) error {
	if err := m.Pause(ctx); err != nil {
		return err
	}
	return m.migrate(ctx, "migrate", file)
}

// Restore loads what Save wrote into a VM that was launched with Spec.Incoming,
// with the same devices and a MemoryFile of the same content, and lets it run.
// After an error the VM is of no use.
func (vm *VM) Restore(ctx context.Context, file *os.File) error {
	m, err := vm.Monitor(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.migrate(ctx, "migrate-incoming", file); err != nil {
		return vm.explain(err)
	}
	return m.Resume(ctx)
}

// migrate moves the VM's state to or from an open file. x-ignore-shared leaves
// memory in shared files out (QEMU, qapi/migration.json).
func (m *Monitor) migrate(ctx context.Context, command string, file *os.File) error {
	events, cancel := m.Events()
	defer cancel()
	capabilities := []map[string]any{
		{"capability": "x-ignore-shared", "state": true},
		{"capability": "events", "state": true},
	}
	if err := m.do(ctx, "migrate-set-capabilities", map[string]any{"capabilities": capabilities}, nil); err != nil {
		return err
	}
	const name = "vmstate"
	if err := m.qmp.execute(ctx, "getfd", map[string]any{"fdname": name}, nil, file); err != nil {
		return fmt.Errorf("hand over a file: %w", err)
	}
	if err := m.do(ctx, command, map[string]any{"uri": "fd:" + name}, nil); err != nil {
		return err
	}
	for {
		select {
		case e, open := <-events:
			if !open {
				return ErrStopped
			}
			switch migrationStatus(e) {
			case "completed":
				return nil
			case "failed", "cancelled":
				return m.migrationError(ctx)
			}
		case <-ctx.Done():
			return fmt.Errorf("QEMU command %s: %w", command, ctx.Err())
		}
	}
}

// migrationStatus answers a MIGRATION event's status; empty for other events.
func migrationStatus(e Event) string {
	var data struct {
		Status string `json:"status"`
	}
	if e.Name != "MIGRATION" || json.Unmarshal(e.Data, &data) != nil {
		return ""
	}
	return data.Status
}

// migrationError asks QEMU why.
func (m *Monitor) migrationError(ctx context.Context) error {
	var answer struct {
		Desc string `json:"error-desc"`
	}
	if err := m.do(ctx, "query-migrate", nil, &answer); err != nil {
		return err
	}
	if answer.Desc == "" {
		answer.Desc = "see its log"
	}
	return fmt.Errorf("QEMU cannot save or load the VM's state: %s", answer.Desc)
}
