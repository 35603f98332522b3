package sandbox

import (
	"slices"

	"github.com/kata-go/kata-runtime/virtcontainers/resources"
)

// payment is this process's stay in the cgroup of the sandbox that it creates: the
// memory that it takes for the VM in advance counts for that one, and what QEMU
// touches.
type payment struct {
	// group is a copy until settled takes it over.
	group resources.Group
	// vm takes QEMU's pid, once; closed if there is none to come.
	vm   chan int
	told bool
	// inside is closed when this process is where it has to be, done when QEMU is, too.
	inside, done chan struct{}
	leave        func() error
	err          error
}

// enter begins to move this process into the cgroup that pays for the sandbox's
// VM, and QEMU after it. That waits for a grace period of the kernel (7 to 20 ms),
// so all else goes on beside it: QEMU needs that long until it has been linked and
// has read its command line. It does nothing for a VM whose cgroup is not planned.
func (b *boot) enter(st *State) {
	payer := st.Cgroups.payer()
	if b.payment != nil || payer == nil || !payer.Planned {
		return
	}
	p := &payment{group: *payer, vm: make(chan int, 1), inside: make(chan struct{}), done: make(chan struct{})}
	p.group.Made = slices.Clone(payer.Made)
	b.payment = p
	go func() {
		defer close(p.done)
		var warnings []string
		p.leave, warnings, p.err = p.group.Enter()
		close(p.inside)
		debugCgroup(b.log, b.dir.ID(), warnings)
		if pid, launched := <-p.vm; launched && p.leave != nil {
			p.err = p.group.Charge(pid)
		}
	}()
}

// inside is closed when the pages that this process takes count for the sandbox;
// nil if they do already.
func (b *boot) inside() <-chan struct{} {
	if b.payment == nil {
		return nil
	}
	return b.payment.inside
}

// pay has what a VM touches that has been launched count for the sandbox.
func (p *payment) pay(pid int) {
	if p != nil && !p.told {
		p.told = true
		p.vm <- pid
	}
}

// settled waits for what enter has begun, and notes the group in st.
func (p *payment) settled(st *State) error {
	if p == nil {
		return nil
	}
	<-p.done
	*st.Cgroups.payer() = p.group
	return p.err
}

// leave takes this process back to where it was, once it has touched all that it
// takes for the VM in advance. It may be called more than once.
func (b *boot) leave() {
	p := b.payment
	if p == nil {
		return
	}
	if !p.told {
		p.told = true
		close(p.vm)
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
