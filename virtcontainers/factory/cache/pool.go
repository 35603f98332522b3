package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// VM is a virtual machine that is ready for a sandbox.
type VM struct {
	// Name is that of its folder.
	Name string
	// Key says what it fits: it is for those who ask for the same.
	Key string
	// Told is what its taker has to know of it.
	Told json.RawMessage
	// Files are open and go to the taker.
	Files []*os.File
	// Gone is closed when it has ended by itself.
	Gone <-chan struct{}
}

func (vm *VM) close() {
	for _, f := range vm.Files {
		f.Close()
	}
}

// Maker makes the virtual machines of a pool. Its methods are called by
// several goroutines at a time.
type Maker interface {
	// Key is what a virtual machine that is made now would fit.
	Key() (string, error)
	// Make makes one. After an error nothing is left of it.
	Make(ctx context.Context) (*VM, error)
	// Give notes that owner, a sandbox's folder, has it from now on: then what
	// removes the sandbox ends it, and End is not called.
	Give(vm *VM, owner string) error
	// End ends one that nobody has taken, or could take.
	End(vm *VM) error
}

// Pool keeps a number of virtual machines ready.
type Pool struct {
	maker Maker
	want  int
	log   *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	ready   []*VM
	booting int
	handed  int
	// starting is how many of those that were handed out have takers that are not
	// through with their start: nothing is made meanwhile.
	starting int
	// failed is why the last one could not be made. Nothing is made then until
	// somebody asks for one: what is broken stays so until something changes.
	failed  error
	closing bool
}

// newPool answers a pool that keeps want virtual machines ready from now on,
// until Drain.
func newPool(maker Maker, want int, log *slog.Logger) *Pool {
	p := &Pool{maker: maker, want: want, log: log}
	p.changed = sync.NewCond(&p.mu)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill()
	return p
}

// atOnce is how many are made at a time: a boot keeps a processor busy.
func atOnce() int { return max(2, runtime.NumCPU()) }

// fill begins to make what is missing; with mu held.
func (p *Pool) fill() {
	for !p.closing && p.failed == nil && p.starting == 0 && p.booting < atOnce() && len(p.ready)+p.booting < p.want {
		p.booting++
		p.work.Go(p.make)
	}
}

func (p *Pool) make() {
	vm, err := p.maker.Make(p.ctx)
	p.mu.Lock()
	p.booting--
	switch {
	case err != nil && p.ctx.Err() == nil:
		p.failed = err
		p.log.Error("a virtual machine for the cache cannot be made: none is until somebody asks for one", "error", err)
	case err == nil && p.closing:
		p.mu.Unlock()
		p.end(vm)
		p.mu.Lock()
	case err == nil:
		p.ready = append(p.ready, vm)
		p.work.Go(func() { p.watch(vm) })
	}
	p.fill()
	p.changed.Broadcast()
	p.mu.Unlock()
}

// watch replaces a virtual machine that ends before anybody takes it.
func (p *Pool) watch(vm *VM) {
	select {
	case <-vm.Gone:
	case <-p.ctx.Done():
		return
	}
	p.mu.Lock()
	at := slices.Index(p.ready, vm)
	if at < 0 {
		p.mu.Unlock()
		return // it was taken
	}
	p.ready = slices.Delete(p.ready, at, at+1)
	p.fill()
	p.mu.Unlock()
	p.log.Warn("a virtual machine of the cache has ended", "vm", vm.Name)
	p.end(vm)
}

func (p *Pool) end(vm *VM) {
	vm.close()
	if err := p.maker.End(vm); err != nil {
		p.log.Error("a virtual machine of the cache is left: the next factory init or destroy removes it", "vm", vm.Name, "error", err)
	}
}

var (
	// ErrNone is the answer while none is ready.
	ErrNone = errors.New("no virtual machine is ready")
	// ErrUnfit is the answer if those that are ready are made otherwise than it
	// was asked for.
	ErrUnfit = errors.New("the virtual machines that are kept ready are made by other settings")
)

// take hands a virtual machine that fits key to owner. send brings it there; if
// that fails it is ended. What is ready and was made from files that have
// changed since makes room for new ones. After a success, nothing is made until
// the caller says started.
func (p *Pool) take(key, owner string, send func(*VM) error) error {
	p.mu.Lock()
	p.failed = nil
	at := slices.IndexFunc(p.ready, func(vm *VM) bool { return vm.Key == key })
	if at < 0 {
		err := ErrNone
		stale := p.stale()
		if len(p.ready) > 0 {
			err = ErrUnfit
		}
		err = fmt.Errorf("%w (%d ready, %d booting)", err, len(p.ready), p.booting)
		p.fill()
		p.mu.Unlock()
		for _, vm := range stale {
			p.end(vm)
		}
		return err
	}
	vm := p.ready[at]
	p.ready = slices.Delete(p.ready, at, at+1)
	p.handed++
	p.starting++
	p.mu.Unlock()
	err := p.maker.Give(vm, owner)
	if err == nil {
		err = send(vm)
	}
	if err != nil {
		p.end(vm)
		p.started()
		return err
	}
	vm.close()
	return nil
}

// started says that the taker of a virtual machine is through with its start.
func (p *Pool) started() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	p.fill()
	p.changed.Broadcast()
}

// stale takes those out of ready that were made from other files than a new
// one would be; with mu held.
func (p *Pool) stale() []*VM {
	now, err := p.maker.Key()
	if err != nil {
		p.log.Warn("cannot tell whether the cache is out of date", "error", err)
		return nil
	}
	var drop []*VM
	p.ready = slices.DeleteFunc(p.ready, func(vm *VM) bool {
		if vm.Key != now {
			drop = append(drop, vm)
		}
		return vm.Key != now
	})
	return drop
}

// Status says how far a pool is.
type Status struct {
	PID int `json:"pid"`
	// Wanted, Ready, Booting and Handed are numbers of virtual machines: to be
	// kept ready, ready, on their way, and handed out so far.
	Wanted  int `json:"wanted"`
	Ready   int `json:"ready"`
	Booting int `json:"booting"`
	Handed  int `json:"handed"`
	// Failed is why the last one could not be made; empty if it could.
	Failed string `json:"failed,omitempty"`
}

func (p *Pool) status() Status {
	s := Status{PID: os.Getpid(), Wanted: p.want, Ready: len(p.ready), Booting: p.booting, Handed: p.handed}
	if p.failed != nil {
		s.Failed = p.failed.Error()
	}
	return s
}

// Status answers how far the pool is now.
func (p *Pool) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status()
}

// Settled waits until nothing is being made and nobody starts what he took,
// because all are ready or none can be made, or until ctx ends.
func (p *Pool) Settled(ctx context.Context) Status {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.booting+p.starting > 0 && !p.closing && ctx.Err() == nil {
		p.changed.Wait()
	}
	return p.status()
}

// Drain ends all virtual machines that nobody has taken, those on their way
// too, and hands out no more. It returns when they are gone.
func (p *Pool) Drain() {
	begun := time.Now()
	p.mu.Lock()
	p.closing = true
	ready := p.ready
	p.ready = nil
	p.changed.Broadcast()
	p.mu.Unlock()
	p.cancel()
	var all sync.WaitGroup
	for _, vm := range ready {
		all.Go(func() { p.end(vm) })
	}
	all.Wait()
	p.work.Wait()
	p.log.Info("the cache of virtual machines is drained", "ended", len(ready), "took", time.Since(begun).Round(time.Millisecond))
}
