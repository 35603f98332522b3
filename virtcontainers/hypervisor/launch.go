package hypervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/kata-go/kata-runtime/internal/memlimit"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/internal/sock"
)

// Files of a VM in Spec.Dir.
const (
	qmpSocket = "qmp.sock"
	// LogFile is what QEMU prints, which a guest can make it do without end:
	// somebody must keep it short (kata-proxy does). It is appended to.
	LogFile = "qemu.log"
)

// Launch starts a VM and returns as soon as its process runs, while the guest
// still boots. The process survives the caller. Its control socket listens
// already, and so must the sockets in spec: connections queue until QEMU and
// the guest take them. QEMU may yet refuse its command line: watch Exited, Wait
// or Bind while waiting for the guest. After an error nothing runs; files in
// spec.Dir may remain.
func Launch(ctx context.Context, cfg *Config, spec *Spec) (*VM, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := newCmdline(cfg, spec)
	if err != nil {
		return nil, fmt.Errorf("sandbox %s: %w", spec.Name, err)
	}
	vm, err := c.start()
	if err != nil {
		return nil, fmt.Errorf("sandbox %s: start QEMU: %w", spec.Name, err)
	}
	return vm, nil
}

// newCmdline checks what can be checked before QEMU runs.
func newCmdline(cfg *Config, spec *Spec) (*cmdline, error) {
	m, err := findMachine(cfg)
	if err != nil {
		return nil, err
	}
	accel, _, err := Accelerator(cfg)
	if err != nil {
		return nil, err
	}
	if err := spec.check(m); err != nil {
		return nil, err
	}
	return &cmdline{cfg: cfg, spec: spec, machine: m, accel: accel}, nil
}

func (c *cmdline) start() (*VM, error) {
	path, err := exec.LookPath(c.cfg.binary())
	if err != nil {
		return nil, c.cfg.binaryError(err)
	}
	vm := &VM{
		QMP:     filepath.Join(c.spec.Dir, qmpSocket),
		Machine: c.machine.name, Accelerator: c.accel, Arch: c.machine.arch,
	}
	listener, err := sock.Listen(vm.QMP)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	qmp, err := listener.File()
	if err != nil {
		os.Remove(vm.QMP)
		return nil, err
	}
	defer qmp.Close()
	if c.spec.Memory == nil && c.memoryBackend() == memfd {
		if c.shared, vm.SmallPages = sharedMemory(int64(c.spec.MemoryMiB) << 20); c.shared != nil {
			defer c.shared.Close()
			vm.populated = populate(c.mayPopulate, c.shared, int64(c.spec.MemoryMiB)<<20, c.filled())
		}
	}
	c.build(qmp)
	if err := c.run(path, vm); err != nil {
		os.Remove(vm.QMP)
		return nil, err
	}
	return vm, nil
}

// mayPopulate waits until this process is where its pages are to count. Where its
// cgroup has a limit (a pod's), they might be the end of someone.
func (c *cmdline) mayPopulate() bool {
	if c.spec.Populate != nil {
		<-c.spec.Populate
	}
	return !memlimit.There()
}

func (c *cmdline) run(path string, vm *VM) error {
	log, err := os.OpenFile(filepath.Join(c.spec.Dir, LogFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(path, c.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = c.files
	cmd.Dir = "/"
	// Nothing of the caller's environment reaches QEMU.
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", proc.Mark(c.spec.Dir)}
	// A session of its own: no terminal's and no job control's signal ends it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	// Nobody has waited for it yet, so the pid is its own, even if it ended.
	vm.Process, err = proc.Of(cmd.Process.Pid)
	if err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	vm.child = &child{done: make(chan struct{})}
	go func() {
		// The error repeats what ProcessState says.
		_ = cmd.Wait()
		vm.child.state = cmd.ProcessState
		close(vm.child.done)
	}()
	return nil
}

// Populated waits until the process that has launched the VM touches its memory no
// more, some tens of milliseconds after Launch.
func (vm *VM) Populated() {
	if vm.populated != nil {
		<-vm.populated
	}
}

// child is a VM that this process has started.
type child struct {
	done chan struct{}
	// state is set once done is closed.
	state *os.ProcessState
}
