package floor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// Saved is a bare guest that was saved when it had answered on its serial
// port: its memory is a file that clones map privately. What no clone of a
// template can be faster than.
type Saved struct {
	floor *Floor
	dir   string
}

// Clone is a bare guest that goes on from there.
type Clone struct {
	Answer
	q *qemu
}

// asks is what makes the guest answer with a byte: it is told to read nothing.
const asks = "floor=stream bytes=0"

// Save boots a guest, saves it in dir, which must be on a tmpfs, and ends it.
func (f *Floor) Save(ctx context.Context, dir string) (*Saved, error) {
	s := &Saved{floor: f, dir: dir}
	q, port, vm, err := s.start(ctx, false)
	if err != nil {
		return nil, err
	}
	err = q.within(ctx, func(ctx context.Context) error {
		if err := answer(port); err != nil {
			return err
		}
		monitor, err := vm.Monitor(ctx)
		if err != nil {
			return err
		}
		defer monitor.Close()
		state, err := os.OpenFile(s.state(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		defer state.Close()
		return monitor.Save(ctx, state)
	})
	endErr := q.end(port)
	if err != nil {
		return nil, errors.Join(q.failure(err), endErr)
	}
	return s, endErr
}

// Restore starts a guest from what was saved and waits for its answer. The
// caller ends it.
func (s *Saved) Restore(ctx context.Context) (*Clone, error) {
	state, err := os.Open(s.state())
	if err != nil {
		return nil, err
	}
	defer state.Close()
	q, port, vm, err := s.start(ctx, true)
	if err != nil {
		return nil, err
	}
	c := &Clone{q: q}
	err = q.within(ctx, func(ctx context.Context) error {
		// The question waits in the socket until the guest goes on.
		if _, err := port.Write([]byte("i")); err != nil {
			return err
		}
		if err := vm.Restore(ctx, state); err != nil {
			return err
		}
		if err := answer(port); err != nil {
			return err
		}
		c.First = time.Since(q.start)
		var err error
		c.PSS, err = c.Memory()
		return err
	})
	if err != nil {
		endErr := q.end(port)
		return nil, errors.Join(q.failure(err), endErr)
	}
	// QEMU runs on when its port is closed.
	return c, port.Close()
}

// End ends the guest.
func (c *Clone) End() error { return c.q.end(nil) }

// Memory answers its QEMU's PSS now.
func (c *Clone) Memory() (int64, error) { return footprint.PSS(c.q.cmd.Process.Pid) }

// Added answers what a second clone adds to the PSS of all.
func (s *Saved) Added(ctx context.Context) (added int64, err error) {
	one, err := s.Restore(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, one.End()) }()
	alone, err := one.Memory()
	if err != nil {
		return 0, err
	}
	two, err := s.Restore(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, two.End()) }()
	first, err := one.Memory()
	if err != nil {
		return 0, err
	}
	second, err := two.Memory()
	return first + second - alone, err
}

func (s *Saved) state() string { return filepath.Join(s.dir, "state") }

// start starts QEMU with the guest's memory in the file.
func (s *Saved) start(ctx context.Context, incoming bool) (*qemu, *os.File, *hypervisor.VM, error) {
	vm := &hypervisor.VM{QMP: filepath.Join(s.dir, "qmp.sock")}
	_ = os.Remove(vm.QMP) // of the guest before
	listener, err := sock.Listen(vm.QMP)
	if err != nil {
		return nil, nil, nil, err
	}
	defer listener.Close()
	qmp, err := listener.File()
	if err != nil {
		return nil, nil, nil, err
	}
	defer qmp.Close()
	q, port, err := s.floor.port(ctx, asks, func(q *qemu) {
		share := "on"
		if incoming {
			share = "off"
			q.cmd.Args = append(q.cmd.Args, "-incoming", "defer")
		}
		q.machine("memory-backend=mem")
		q.cmd.Args = append(q.cmd.Args,
			"-object", fmt.Sprintf("memory-backend-file,id=mem,size=%dM,share=%s,mem-path=%s", s.floor.machine.MemoryMiB, share, filepath.Join(s.dir, "memory")),
			"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d,server=on,wait=off", q.inherit(qmp)),
			"-mon", "chardev=qmp,mode=control")
	})
	if err != nil {
		return nil, nil, nil, err
	}
	if vm.Process, err = proc.Of(q.cmd.Process.Pid); err != nil {
		return nil, nil, nil, errors.Join(err, q.end(port))
	}
	return q, port, vm, nil
}

// within calls f and ends QEMU, by which everything that waits for it returns,
// when that takes too long.
func (q *qemu) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = q.cmd.Process.Kill() })
	defer stop()
	return f(ctx)
}

// machine adds a property to QEMU's machine.
func (q *qemu) machine(property string) {
	i := slices.Index(q.cmd.Args, "-machine")
	q.cmd.Args[i+1] += "," + property
}

// inherit gives QEMU a file and answers its descriptor there.
func (q *qemu) inherit(f *os.File) int {
	q.cmd.ExtraFiles = append(q.cmd.ExtraFiles, f)
	return 2 + len(q.cmd.ExtraFiles)
}

// end kills QEMU and waits until it is gone; port, our end of its port, may be nil.
func (q *qemu) end(port *os.File) error {
	if port != nil {
		port.Close()
	}
	if err := q.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("bare guest: end QEMU: %w", err)
	}
	_ = q.cmd.Wait() // says that it was killed
	return nil
}
