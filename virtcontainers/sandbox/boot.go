package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/factory/cache"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// Files in a sandbox's folder.
const (
	agentSocket   = "agent.sock"
	proxySocket   = "proxy.sock"
	consoleSocket = "console.sock"
	consoleLog    = "console.log"
	shareLog      = "virtiofsd.log"
	proxyLog      = "proxy.log"
)

func sharedPath(dir *state.Dir) string { return filepath.Join(dir.Path, "shared") }

// boot is a VM on its way up, with what the host keeps open until it is.
type boot struct {
	vm     *hypervisor.VM
	dir    *state.Dir
	config *Settings
	log    *slog.Logger
	folder *share.Folder
	choice share.Choice
	daemon *share.Daemon
	proxy  *child
	files  []*os.File
	// spec is the VM that the sandbox asks for, without what differs between a
	// clone and one that boots, and before equip without what the host makes for it.
	spec *hypervisor.Spec
	// saved is the template until the clone runs, template its key from then on,
	// too; empty for a VM that boots.
	saved    *factory.Template
	template string
	// vmDir is the folder of the VM's sockets: the sandbox's, but for a VM that was
	// ready before.
	vmDir string
	// began is the size of a VM that was not made for this sandbox.
	began resources.Size
	// greeted: the VM's agent has answered, before this VM was the sandbox's or since.
	greeted bool
	// met is the agent as it answered us first, closed; nil if another has greeted it.
	met *dial.Agent
	// handed is what the cache waits for while the sandbox is made.
	handed *cache.Handed
	// payment is nil unless this process is in the sandbox's cgroup, or on its way.
	payment *payment
}

// close gives back what only the starting of the VM needed, and ends this process's
// stay in its cgroup. It may be called more than once.
func (b *boot) close() {
	b.release()
	b.leave()
}

func (b *boot) release() {
	for _, f := range b.files {
		f.Close()
	}
	b.files = nil
	if b.saved != nil {
		b.saved.Close()
		b.saved = nil
	}
}

// listen makes a listening socket in the sandbox's folder. Peers can connect
// from then on, and wait in the queue until somebody accepts.
func (b *boot) listen(name string) (*os.File, error) {
	l, err := sock.Listen(filepath.Join(b.dir.Path, name))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", name, err)
	}
	b.files = append(b.files, f)
	return f, nil
}

// newBoot begins a VM for a sandbox; nothing is made yet.
func (h *Host) newBoot(dir *state.Dir, st *State, spec *specs.Spec, role oci.Role) (*boot, error) {
	b := &boot{dir: dir, vmDir: dir.Path, config: h.settings, log: h.log}
	var err error
	b.spec, err = b.describe(st, spec, role)
	return b, err
}

// startVM starts the VM and its helpers and answers while the guest boots, or
// while a template's clone is loaded: settle waits for that. What it has
// started is recorded in st, also when it fails.
func (h *Host) startVM(ctx context.Context, dir *state.Dir, st *State, spec *specs.Spec, role oci.Role) (_ *boot, err error) {
	b, err := h.newBoot(dir, st, spec, role)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	return b, h.begin(ctx, b, st)
}

// begin starts the VM as a clone, or from its kernel.
func (h *Host) begin(ctx context.Context, b *boot, st *State) error {
	var err error
	if b.saved, err = h.template(ctx, b.spec, st); err != nil {
		return err
	}
	b.enter(st) // not before: a template that is made first is nobody's
	if err := b.equip(st, b.saved != nil); err != nil {
		return err
	}
	if b.saved == nil {
		return b.cold(ctx, st)
	}
	if err := b.clone(ctx, st); err != nil {
		return b.instead(ctx, st, err)
	}
	return nil
}

// settle returns when a VM that was not booted for this sandbox runs and has
// all that the sandbox asks for: before, it may yet have to be booted in its
// place, as another process. It does nothing for a VM that boots.
func (b *boot) settle(ctx context.Context, st *State) error {
	var err error
	switch {
	case b.saved != nil:
		if err = b.restore(ctx, b.saved); err != nil && ctx.Err() == nil {
			b.distrust()
		}
	case st.Origin == "":
		return nil
	}
	if err == nil {
		err = b.fitUp(ctx, st)
	}
	if err == nil && b.saved != nil {
		err = st.Network.settled(b.spec.NICs)
	}
	if err != nil {
		return b.instead(ctx, st, err)
	}
	b.release()
	return nil
}

// cold boots the VM.
func (b *boot) cold(ctx context.Context, st *State) (err error) {
	vm := *b.spec
	if b.choice, err = b.config.Share.Choose(); err != nil {
		return err
	}
	if err := b.shareFolder(st, &vm); err != nil {
		return err
	}
	channel, err := b.channel(st, &vm)
	if err != nil {
		return err
	}
	if b.vm, err = b.power(ctx, &vm); err != nil {
		return err
	}
	if b.vm.SmallPages != nil {
		b.log.Debug("the guest's memory is in small pages", "sandbox", st.ID, "error", b.vm.SmallPages)
	}
	st.VM = *b.vm
	return b.startProxy(st, channel)
}

// describe says what VM the sandbox asks for, but for what equip makes, its
// share and the agent's channel.
func (b *boot) describe(st *State, spec *specs.Spec, role oci.Role) (*hypervisor.Spec, error) {
	var err error
	if st.Sizing, err = b.config.sizing(); err != nil {
		return nil, err
	}
	var hugePages uint64
	for _, c := range st.Containers {
		hugePages += c.Limits.HugePages
	}
	size, err := st.Sizing.bootSize(spec, role, hugePages)
	if err != nil {
		return nil, err
	}
	for _, note := range size.Notes {
		b.log.Debug(note)
	}
	vm := b.config.machine()
	vm.Name, vm.Dir = st.ID, b.dir.Path
	st.Sizing.apply(size, vm)
	for _, c := range st.Containers {
		for _, d := range append(st.own(c), c.Disks...) {
			vm.Disks = append(vm.Disks, d.device())
		}
	}
	return vm, nil
}

// machine is what the VMs of all sandboxes have in common.
func (s *Settings) machine() *hypervisor.Spec {
	c := s.Hypervisor
	return &hypervisor.Spec{Kernel: c.Kernel, Initrd: c.Initrd, Image: c.Image, KernelParams: s.Agent.kernelParams()}
}

// equip makes what the VM needs on the host. A clone gets one NIC, as its
// template has one.
func (b *boot) equip(st *State, clone bool) (err error) {
	if b.folder, err = share.New(sharedPath(b.dir)); err != nil {
		return err
	}
	if err := b.plugNICs(st, b.spec, clone); err != nil {
		return err
	}
	b.spec.Console, err = b.listen(consoleSocket)
	return err
}

// shareFolder makes the device that shares the sandbox's folder in the way of
// b.choice.
func (b *boot) shareFolder(st *State, vm *hypervisor.Spec) error {
	st.ShareDriver = b.choice.FS
	device := b.config.Share.Device(b.choice, b.folder)
	out := hypervisor.Share{Tag: device.Tag, Path: device.Path, CacheMiB: device.CacheMiB}
	if b.choice.FS == share.VirtioFS {
		var err error
		b.daemon, err = share.StartVirtioFSD(*b.config.Share, b.choice, b.dir.Path, b.folder, filepath.Join(b.dir.Path, shareLog))
		if err != nil {
			return err
		}
		st.ShareDaemon = b.daemon.Process
		for _, w := range b.daemon.Warnings {
			b.log.Debug(w, "sandbox", st.ID)
		}
		if out.VirtioFS, err = b.daemon.Connect(); err != nil {
			return err
		}
		b.files = append(b.files, out.VirtioFS)
	}
	vm.Shares = append(vm.Shares, out)
	return nil
}

// queues says how the NICs of the boot are made.
func (s *Settings) queues() network.Queues {
	return network.Queues{Count: 1, VHost: !s.Hypervisor.DisableVhostNet}
}

// plugNICs makes the NICs that the VM boots with, one for a clone.
func (b *boot) plugNICs(st *State, vm *hypervisor.Spec, one bool) error {
	note := func() error { return write(b.dir, st) }
	taps, err := st.Network.plug(b.config.Network, b.config.queues(), one, note)
	if err != nil {
		return err
	}
	for i, tap := range taps {
		b.files = append(append(b.files, tap.Queues...), tap.VHosts...)
		vm.NICs = append(vm.NICs, vmNIC(nicID(i), tap))
	}
	return nil
}

// deadline is how long the guest's agent may take to answer its first call.
func (b *boot) deadline() time.Duration {
	if seconds := b.config.Hypervisor.BootTimeout; seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return 60 * time.Second
}

// failure explains why the guest was not reached: QEMU's or virtiofsd's end
// and their last words, or the guest's silence, with the end of its console.
func (b *boot) failure(ctx context.Context, err error) error {
	var launch *hypervisor.LaunchError
	var lost *lostHelper
	switch {
	case errors.As(context.Cause(ctx), &launch):
		err = launch
	case errors.As(context.Cause(ctx), &lost):
		err = lost
	case errors.Is(context.Cause(ctx), context.Canceled):
		return errors.New("interrupted while the guest was booting")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("the guest's agent did not answer in the caller's time: %w", ctx.Err())
	case errors.Is(context.Cause(ctx), errSilent):
		err = fmt.Errorf("the guest's agent did not answer within %s (boot_timeout)", b.deadline())
		if lost := b.vm.Starved().Round(time.Second); lost > 0 {
			err = fmt.Errorf("%w, not counting %s for which the host had no CPU for the VM", err, lost)
		}
		b.distrust()
	case context.Cause(ctx) == nil:
		if lost := b.lostSoon(); lost != nil {
			err = lost
		}
	}
	if tail := consoleTail(filepath.Join(b.dir.Path, consoleLog)); tail != "" {
		err = fmt.Errorf("%w; the guest's console ends with: %s", err, tail)
	}
	return fmt.Errorf("sandbox %s: boot: %w", b.dir.ID(), err)
}

// channel prepares how the agent is reached. It answers the proxy's sockets;
// nil where the guest has vsock. The way stays the same for a VM that is booted
// in place of another: the shim knows it by then.
func (b *boot) channel(st *State, vm *hypervisor.Spec) (*os.File, error) {
	if b.config.Hypervisor.UseVSock && st.Agent == "" {
		cid, vhost, err := openVsock()
		if err == nil {
			b.files = append(b.files, vhost)
			vm.Agent = hypervisor.AgentChannel{CID: cid, VHost: vhost}
			vm.KernelParams = append(vm.KernelParams, "agent.channel=vsock")
			st.Agent = fmt.Sprintf("vsock://%d:%d", cid, agentPort)
			return nil, nil
		}
		if !errors.Is(err, errNoVsock) {
			return nil, err
		}
	}
	return b.serial(st, vm)
}

// serial makes the channel over a serial port.
func (b *boot) serial(st *State, vm *hypervisor.Spec) (*os.File, error) {
	serial, err := b.listen(agentSocket)
	if err != nil {
		return nil, err
	}
	vm.Agent = hypervisor.AgentChannel{Serial: serial}
	st.Agent = "unix://" + filepath.Join(b.dir.Path, proxySocket)
	return b.listen(proxySocket)
}
