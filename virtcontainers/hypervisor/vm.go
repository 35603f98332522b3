package hypervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// ErrStopped is the answer about a VM whose process has ended.
var ErrStopped = errors.New("the VM is not running")

// LaunchError says that QEMU ended by itself; it unwraps to ErrStopped.
type LaunchError struct {
	// Status is how the process ended ("exit status 1"); empty if somebody else
	// than its starter asks.
	Status string
	// Log is the end of QEMU's own output, a few lines at most; it may be empty.
	Log string
}

func (e *LaunchError) Error() string {
	msg := "QEMU ended"
	if e.Status != "" {
		msg += " with " + e.Status
	}
	if e.Log == "" {
		return msg + " without a message: the guest shut down or its kernel panicked, see the guest's console"
	}
	msg += ": " + strings.ReplaceAll(e.Log, "\n", "; ")
	if strings.Contains(e.Log, "cache-size") {
		msg += "; this QEMU has no DAX window for virtiofs (upstream's has none): set virtio_fs_cache_size = 0"
	}
	return msg
}

// Unwrap makes it an ErrStopped.
func (e *LaunchError) Unwrap() error { return ErrStopped }

// Alive tells whether the VM's process runs.
func (vm *VM) Alive() bool {
	if vm.child != nil {
		select {
		case <-vm.child.done:
			return false
		default:
		}
	}
	return vm.Process.Alive()
}

// Wait returns nil when the VM's process has ended, or ctx's error. Any
// process may call it.
func (vm *VM) Wait(ctx context.Context) error {
	if vm.child == nil {
		return vm.Process.Wait(ctx)
	}
	select {
	case <-vm.child.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Exited is closed when the VM's process has ended. Only the process that
// launched the VM has it; for others it is nil: use Wait there.
func (vm *VM) Exited() <-chan struct{} {
	if vm.child == nil {
		return nil
	}
	return vm.child.done
}

// ExitError tells how and why the VM's process ended; call it only when it has.
func (vm *VM) ExitError() *LaunchError {
	e := &LaunchError{Log: logTail(filepath.Join(filepath.Dir(vm.QMP), LogFile))}
	if vm.child != nil {
		select {
		case <-vm.child.done:
			e.Status = vm.child.state.String()
		default: // state is still being written
		}
	}
	return e
}

// Bind answers a context that ends with the VM: its cause (context.Cause) is
// the *LaunchError then. Whatever waits for the guest should wait with it. The
// cancel function must be called when it is not needed any more.
func (vm *VM) Bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		if vm.Wait(ctx) == nil {
			cancel(vm.ExitError())
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// Kill ends the VM at once and waits until its process is gone. A VM that is
// gone already is no error.
func (vm *VM) Kill(ctx context.Context) error {
	if err := vm.Process.Kill(ctx); err != nil {
		return fmt.Errorf("end QEMU: %w", err)
	}
	if vm.child != nil {
		// Let the zombie be collected, too.
		return vm.Wait(ctx)
	}
	return nil
}

// logTailSize bounds how much of QEMU's output goes into an error, in bytes.
const logTailSize = 1024

// stamp is what "-msg timestamp=on" puts before a message.
var stamp = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT[\d:.]+Z `) })

// logTail answers the last lines of QEMU's log without time stamps; empty if
// there are none or they cannot be read.
func logTail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	cut := info.Size() > logTailSize
	if cut {
		if _, err := f.Seek(-logTailSize, io.SeekEnd); err != nil {
			return ""
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, logTailSize))
	if err != nil {
		return ""
	}
	text := string(data)
	if cut {
		// The first line is the rest of one.
		_, text, _ = strings.Cut(text, "\n")
	}
	return strings.TrimSpace(stamp().ReplaceAllString(text, ""))
}
