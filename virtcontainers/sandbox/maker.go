package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/factory/cache"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// maker makes ready VMs. Each is a sandbox below the cache's folder, so that
// what is left of one goes by the one teardown.
type maker struct {
	host *Host
	// template is held by who looks for one: the first may make it.
	template sync.Mutex
}

// nic tells whether the VMs of this configuration have one.
func (m *maker) nic() bool {
	c := m.host.settings.Network
	return !c.DisableNewNetNS && c.Model != network.ModelNone
}

// Key implements cache.Maker.
func (m *maker) Key() (string, error) { return m.host.readyKey(m.nic()) }

// Make implements cache.Maker. The VM is a clone where there is a template. It
// stands still when it is ready.
func (m *maker) Make(ctx context.Context) (_ *cache.VM, err error) {
	key, err := m.Key()
	if err != nil {
		return nil, err
	}
	saved := m.saved(ctx)
	if saved != nil {
		defer saved.Close()
	}
	dir, st, err := m.claim()
	if err != nil {
		return nil, err
	}
	vm := &cache.VM{Name: st.ID, Key: key}
	defer func() {
		if err == nil {
			return
		}
		for _, f := range vm.Files {
			f.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), teardownTimeout)
		defer cancel()
		err = errors.Join(err, m.host.teardown(ctx, dir, st))
	}()
	b, err := m.host.newBoot(dir, st, &specs.Spec{Linux: &specs.Linux{}}, oci.Single)
	if err != nil {
		return nil, err
	}
	defer b.close()
	told := handout{Name: st.ID, Size: resources.Size{VCPUs: b.spec.VCPUs, MemoryMiB: b.spec.MemoryMiB}}
	if err := m.equip(b, vm, &told); err != nil {
		return nil, err
	}
	if err := b.launch(ctx, st, saved); err != nil {
		return nil, err
	}
	if told.NIC != nil {
		told.NIC.MAC = b.spec.NICs[0].MAC
	}
	if err := b.rest(ctx, st); err != nil {
		return nil, err
	}
	told.VM, vm.Gone = *b.vm, b.vm.Exited()
	if vm.Told, err = json.Marshal(&told); err != nil {
		return nil, err
	}
	return vm, nil
}

// saved answers the template that there is, or nil.
func (m *maker) saved(ctx context.Context) *factory.Template {
	if !m.host.settings.Factory.Enabled() {
		return nil
	}
	m.template.Lock()
	defer m.template.Unlock()
	return m.host.find(ctx, "of the cache", m.nic())
}

// claim begins a VM's folder.
func (m *maker) claim() (*state.Dir, *State, error) {
	self, err := proc.Of(os.Getpid())
	if err != nil {
		return nil, nil, err
	}
	random, err := newExecID()
	if err != nil {
		return nil, nil, err
	}
	name := "vm-" + random[:12]
	dir, err := m.host.store.Create(name, name)
	if err != nil {
		return nil, nil, err
	}
	st := &State{ID: name, Containers: map[string]*Container{name: {ID: name, Creator: self}}}
	if err := write(dir, st); err != nil {
		return nil, nil, errors.Join(err, dir.Remove())
	}
	return dir, st, nil
}

// write makes st what is on disk.
func write(dir *state.Dir, st *State) error {
	var disk State
	return dir.Update(&disk, func() error { disk = *st; return nil })
}

// equip makes what a VM without a sandbox needs on the host: a shared folder
// and a tap that can get their places later.
func (m *maker) equip(b *boot, vm *cache.VM, told *handout) error {
	folder, err := share.Detached()
	if err != nil {
		return err
	}
	vm.Files = append(vm.Files, folder)
	b.choice = cloneShare
	b.spec.Shares = []hypervisor.Share{{Tag: share.Tag, Folder: folder}}
	if b.spec.Console, err = b.listen(consoleSocket); err != nil || !m.nic() {
		return err
	}
	ns, err := network.NewUnnamed()
	if err != nil {
		return err
	}
	vm.Files = append(vm.Files, ns.File())
	tap, err := network.CreateTap(ns, nicName(0), m.host.settings.queues())
	if err != nil {
		return err
	}
	b.files = append(append(b.files, tap.Queues...), tap.VHosts...)
	b.spec.NICs = []hypervisor.NIC{vmNIC(nicID(0), tap)}
	told.NIC = &tap.NIC
	return nil
}

// launch starts the VM, as a clone if there is a template, and waits until its
// guest has nothing left to set up.
func (b *boot) launch(ctx context.Context, st *State, saved *factory.Template) error {
	channel, err := b.serial(st, b.spec)
	if err != nil {
		return err
	}
	if saved != nil {
		b.template, b.greeted = saved.Key, true
		saved.Fit(b.spec)
	}
	if b.vm, err = b.power(ctx, b.spec); err != nil {
		return err
	}
	st.VM = *b.vm
	if err := b.startProxy(st, channel); err != nil {
		return err
	}
	if err := write(b.dir, st); err != nil {
		return err
	}
	if saved != nil {
		if err := b.restore(ctx, saved); err != nil {
			if ctx.Err() == nil {
				b.distrust()
			}
			return err
		}
	}
	return b.untilReady(ctx, st)
}

// rest ends the proxy, whose place the taker's own one takes, and stops the VM.
func (b *boot) rest(ctx context.Context, st *State) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := st.Proxy.Kill(ctx); err != nil {
		return err
	}
	monitor, err := b.vm.Monitor(ctx)
	if err != nil {
		return err
	}
	defer monitor.Close()
	return monitor.Pause(ctx)
}

// Give implements cache.Maker.
func (m *maker) Give(vm *cache.VM, owner string) error {
	dir, _, _, err := m.host.load(vm.Name)
	if err != nil {
		return err
	}
	st := new(State)
	return dir.Update(st, func() error {
		st.Owner = owner
		return nil
	})
}

// End implements cache.Maker.
func (m *maker) End(vm *cache.VM) error {
	ctx, cancel := context.WithTimeout(context.Background(), teardownTimeout)
	defer cancel()
	return m.host.discard(ctx, vm.Name)
}

// discard removes a ready VM, whatever there is of it.
func (h *Host) discard(ctx context.Context, name string) error {
	dir, st, _, err := h.load(name)
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	if dir == nil {
		return err
	}
	if st == nil { // its state cannot be read
		st = &State{ID: name}
	}
	if err := h.teardown(ctx, dir, st); err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	return nil
}
