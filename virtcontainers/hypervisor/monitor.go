package hypervisor

import (
	"context"
	"errors"
	"fmt"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// Monitor controls a running VM through its QMP socket. QEMU serves one
// monitor at a time: others wait, so close it soon. Its methods may be called
// concurrently.
type Monitor struct {
	vm  *VM
	qmp *qmpConn
}

// Monitor connects to the VM's control socket; any process may, also right
// after Launch. ctx bounds connecting only.
func (vm *VM) Monitor(ctx context.Context) (*Monitor, error) {
	conn, err := sock.Dial(ctx, vm.QMP)
	if err != nil {
		return nil, vm.explain(err)
	}
	q, err := newQMP(ctx, conn)
	if err != nil {
		return nil, vm.explain(fmt.Errorf("monitor %s: %w", vm.QMP, err))
	}
	return &Monitor{vm: vm, qmp: q}, nil
}

// explain puts QEMU's last words in place of an error that only says that it
// is gone.
func (vm *VM) explain(err error) error {
	if vm.Alive() {
		return err
	}
	if vm.child != nil {
		// It is a zombie at least: its status is about to be there.
		<-vm.child.done
	}
	return vm.ExitError()
}

// Close disconnects; the VM runs on.
func (m *Monitor) Close() error { return m.qmp.close() }

// Events answers what QEMU reports from now on, up to 64 unread; what comes
// while so many wait is lost. The channel is closed when the VM or the Monitor
// ends. cancel ends the delivery.
func (m *Monitor) Events() (events <-chan Event, cancel func()) { return m.qmp.watch(64) }

// do runs a command and names it in the error.
func (m *Monitor) do(ctx context.Context, name string, args, out any) error {
	if err := m.qmp.execute(ctx, name, args, out); err != nil {
		return fmt.Errorf("QEMU command %s: %w", name, err)
	}
	return nil
}

// Status answers QEMU's run state: "running", "paused", "shutdown",
// "guest-panicked", ... (QEMU QMP Reference Manual, RunState).
func (m *Monitor) Status(ctx context.Context) (string, error) {
	var s struct {
		Status string `json:"status"`
	}
	err := m.do(ctx, "query-status", nil, &s)
	return s.Status, err
}

// Pause stops all of the guest's CPUs; on a VM that is paused it does nothing.
func (m *Monitor) Pause(ctx context.Context) error { return m.do(ctx, "stop", nil, nil) }

// Resume undoes Pause.
func (m *Monitor) Resume(ctx context.Context) error { return m.do(ctx, "cont", nil, nil) }

// Quit ends QEMU at once and in order: disk caches are written. It returns
// when the process has ended.
func (m *Monitor) Quit(ctx context.Context) error {
	if err := m.do(ctx, "quit", nil, nil); err != nil && !errors.Is(err, ErrStopped) {
		return err
	}
	return m.vm.Wait(ctx)
}

// CPUs answers how many CPUs the guest has and may have.
func (m *Monitor) CPUs(ctx context.Context) (present, possible uint32, err error) {
	if m.can("CPUs", cpus) != nil {
		var all []struct{}
		err := m.do(ctx, "query-cpus-fast", nil, &all)
		return uint32(len(all)), uint32(len(all)), err
	}
	slots, err := m.cpuSlots(ctx)
	for _, s := range slots {
		possible++
		if s.QOMPath != "" {
			present++
		}
	}
	return present, possible, err
}

// Memory answers the guest's memory in MiB: at boot, and added since.
func (m *Monitor) Memory(ctx context.Context) (base, plugged uint64, err error) {
	var s struct {
		Base    uint64 `json:"base-memory"`
		Plugged uint64 `json:"plugged-memory"`
	}
	err = m.do(ctx, "query-memory-size-summary", nil, &s)
	return s.Base >> 20, s.Plugged >> 20, err
}
