package sandbox

import (
	"slices"

	"github.com/kata-go/kata-runtime/virtcontainers/resources"
)

// payment is this process's stay in the cgroup of the sandbox that it creates: the
// memory that it takes for the VM, and that QEMU and its helpers touch from
// their first instruction on, counts for that one.
type payment struct {
	// group is a copy until entered takes it over.
	group resources.Group
	// done is closed when the rest is known.
	done     chan struct{}
	leave    func() error
	warnings []string
	err      error
}

// enter begins to move this process into the cgroup that pays for the sandbox's
// VM. That waits for a grace period of the kernel (7 to 20 ms), so other work goes
// on beside it, until entered. It does nothing for a VM whose cgroup is not planned.
func (b *boot) enter(st *State) {
	payer := st.Cgroups.payer()
	if b.payment != nil || payer == nil || !payer.Planned {
		return
	}
	p := &payment{group: *payer, done: make(chan struct{})}
	p.group.Made = slices.Clone(payer.Made)
	b.payment = p
	go func() {
		defer close(p.done)
		p.leave, p.warnings, p.err = p.group.Enter()
	}()
}

// entered waits for what enter has begun, and notes the group in st.
func (b *boot) entered(st *State) error {
	p := b.payment
	if p == nil {
		return nil
	}
	<-p.done
	*st.Cgroups.payer() = p.group
	for _, w := range p.warnings {
		b.log.Debug("cgroup: "+w, "id", st.ID)
	}
	p.warnings = nil
	return p.err
}

// leave takes this process back to where it was, once it has touched all that it
// takes for the VM in advance. It may be called more than once.
func (b *boot) leave() {
	p := b.payment
	if p == nil {
		return
	}
	<-p.done
	if p.leave == nil {
		return
	}
	if b.vm != nil {
		b.vm.Populated()
	}
	if err := p.leave(); err != nil {
		b.log.Warn(err.Error(), "sandbox", b.dir.ID())
	}
	p.leave = nil
}
