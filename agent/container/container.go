// Package container runs the containers of the guest by libcontainer.
package container

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/opencontainers/cgroups"
	// Device rules of cgroup v2 are eBPF programs, which this package loads.
	_ "github.com/opencontainers/cgroups/devices"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent/process"
)

var (
	// ErrState is wrapped by answers to calls that a container's state forbids.
	ErrState = errors.New("container state")
	// ErrNotFound is wrapped when there is no such process.
	ErrNotFound = errors.New("no such process")
	// ErrExists is wrapped when an exec id is taken.
	ErrExists = errors.New("process exists")
	// ErrInvalid is wrapped when a document or an argument cannot be meant.
	ErrInvalid = errors.New("invalid argument")
)

// State is where a container is in its life.
type State string

// The states, in the words of the runtime-spec.
const (
	Created State = "created"
	Running State = "running"
	Paused  State = "paused"
	Stopped State = "stopped"
)

// Ended is told of each process's end.
type Ended func(execID string, exit process.Exit)

// Container is a container from its creation to its removal. Its methods may
// be called by any goroutine. No lock is held while something is waited for,
// but by the calls that change the same container's state.
type Container struct {
	ID string

	log    *slog.Logger
	guest  Guest
	spec   *specs.Spec
	lib    *libcontainer.Container
	cgroup cgroups.Manager
	ended  Ended

	// starts is held shared while an exec starts, and alone while the container
	// is frozen or thawed. The child that starts is made inside the container's
	// cgroup, and shares the agent's memory until it executes: were it frozen
	// in between, so would be the thread that made it, and Go's scheduler with
	// it as soon as it wants all threads to stop.
	starts sync.RWMutex

	// stages are what failed starts leave.
	stages stages

	// change is held by calls that change the state: start, pause, resume,
	// update, remove. Signals, waits and execs do without.
	change sync.Mutex

	mu      sync.Mutex
	started bool
	// thawed is closed when a paused container is resumed; nil if it is not paused.
	thawed  chan struct{}
	removed bool
	init    *process.Process
	// execs by id; nil for one that is being started.
	execs map[string]*process.Process
	// ooms is what was reported of memory.events' oom_kill.
	ooms uint64
}

// State answers the state now.
func (c *Container) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state()
}

// state: mu is held.
func (c *Container) state() State {
	switch {
	case c.removed || !c.init.Running():
		return Stopped
	case c.thawed != nil:
		return Paused
	case c.started:
		return Running
	default:
		return Created
	}
}

// stateError says that a verb is impossible now.
func (c *Container) stateError(verb string, state State) error {
	return fmt.Errorf("%w: cannot %s container %s: it is %s", ErrState, verb, c.ID, state)
}

// PID answers the init process's pid in the guest.
func (c *Container) PID() int { return c.init.PID }

// Process answers the init process ("") or an exec.
func (c *Container) Process(execID string) (*process.Process, error) {
	if execID == "" {
		return c.init, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.execs[execID]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%w: container %s has no process %q", ErrNotFound, c.ID, execID)
}

// Processes answers the pids that the host knows, with their exec ids.
func (c *Container) Processes() map[int]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := map[int]string{c.init.PID: ""}
	for id, p := range c.execs {
		if p != nil && p.Running() {
			known[p.PID] = id
		}
	}
	return known
}
