package task

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kata-go/kata-runtime/shim/relay"
)

// streams are what containerd says of a process's streams.
type streams struct {
	terminal              bool
	stdin, stdout, stderr string
}

// process is a container's init or a further process in it.
type process struct {
	streams
	// id is containerd's; empty for the init.
	id string
	// spec is a further process's document.
	spec *specs.Process

	mu sync.Mutex
	// pid is what containerd gets to know; 0 before there is a process.
	pid int
	// guest is the process's id in the guest; empty for the init.
	guest   string
	io      *stdio
	started bool
	// inputEnds: CloseIO was called, maybe before there was an io.
	inputEnds bool

	// told is closed when containerd knows that the process runs, or that it
	// never will: its end is told after that.
	told chan struct{}
	// done is closed at its end; code and at are valid from then on.
	done chan struct{}
	code int
	at   time.Time
	// drained is closed when its outputs are passed on, or given up: maybe
	// later, if nobody reads them.
	drained chan struct{}
}

func newProcess(id string, s streams) *process {
	return &process{id: id, streams: s, told: make(chan struct{}), done: make(chan struct{}), drained: make(chan struct{})}
}

func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) setPID(pid int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = pid
	return nil
}

func (p *process) getPID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// setIO gives a further process its streams.
func (p *process) setIO(io *stdio) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.io = io
	if p.inputEnds {
		io.closeInput()
	}
}

// closeInput lets standard input end, as soon as there is one.
func (p *process) closeInput() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inputEnds = true
	if p.io != nil {
		p.io.closeInput()
	}
}

// guestID is the process's id in the guest, once it is attached.
func (p *process) guestID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.guest
}

// begun marks the process as started and has its end told from now on; false
// if it was before.
func (p *process) begun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started {
		return false
	}
	p.started = true
	return true
}

// hasBegun tells whether begun was called.
func (p *process) hasBegun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started
}

// launched returns when a further process whose start is under way runs, or has
// failed to: before that it has no id in the guest, where an empty one is the
// init's.
func (p *process) launched(ctx context.Context) error {
	if !p.hasBegun() {
		return status.Errorf(codes.FailedPrecondition, "process %s was not started", p.id)
	}
	select {
	case <-p.told:
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("process %s is still being started: %w", p.id, ctx.Err())
	}
	if p.guestID() == "" {
		return notFound("process %s could not be started", p.id)
	}
	return nil
}

// attach relays a process that exists now, and calls ended at its end.
func (p *process) attach(r *relay.Relay, ended func()) {
	p.mu.Lock()
	p.guest = r.Exec
	io := p.io
	p.mu.Unlock()
	r.Terminal = p.terminal
	r.Stdout, r.Stderr = io.stdout, io.stderr
	r.Input = func(ctx context.Context) (*os.File, error) {
		select {
		case <-p.told:
			return io.openInput()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	var once sync.Once
	r.Ended = func(code int) {
		once.Do(func() {
			p.code, p.at = code, time.Now()
			ended()
		})
	}
	go func() {
		defer close(p.drained)
		code, err := r.Run(context.Background())
		if err != nil {
			r.Log.Error(err.Error())
		}
		io.close()
		r.Ended(code)
	}()
}

// flushTimeout bounds flush; what takes longer than that hangs.
const flushTimeout = 20 * time.Second

// flush returns when the outputs of a process that has ended are passed on, or
// soon if nobody reads them.
func (p *process) flush() {
	select {
	case <-p.drained:
		return
	default:
	}
	p.mu.Lock()
	io := p.io
	p.mu.Unlock()
	if io != nil {
		io.hurry()
	}
	select {
	case <-p.drained:
	case <-time.After(flushTimeout):
	}
}

// abandon ends a further process that was announced and is not to be started:
// somebody may wait for it. One that was started is left alone.
func (p *process) abandon() {
	if p.begun() {
		p.never(neverRan)
	}
}

// never ends a process that could not be started.
func (p *process) never(code int) {
	p.code, p.at = code, time.Now()
	close(p.done)
	close(p.drained)
}
