package container

import (
	"context"
	"fmt"
	"os"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent/process"
)

// Exec starts a further process. In a paused container it starts only with
// ignorePaused, and then when the container is resumed: until then the call
// waits, as long as ctx.
func (c *Container) Exec(ctx context.Context, execID string, p *specs.Process, ignorePaused bool) (*process.Process, error) {
	if err := c.reserve(execID, ignorePaused); err != nil {
		return nil, err
	}
	started, err := c.execThawed(ctx, execID, p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		delete(c.execs, execID)
		return nil, fmt.Errorf("exec %s in container %s: %w", execID, c.ID, err)
	}
	c.execs[execID] = started
	return started, nil
}

// reserve takes the id, so that a repeated call starts nothing twice.
func (c *Container) reserve(execID string, ignorePaused bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state := c.state(); {
	case state == Stopped, state == Paused && !ignorePaused:
		return c.stateError("exec in", state)
	}
	if _, taken := c.execs[execID]; taken {
		return fmt.Errorf("%w: container %s has a process %q already", ErrExists, c.ID, execID)
	}
	c.execs[execID] = nil
	return nil
}

// execThawed starts the process at a moment when the container is not frozen.
func (c *Container) execThawed(ctx context.Context, execID string, p *specs.Process) (*process.Process, error) {
	for {
		c.starts.RLock()
		c.mu.Lock()
		state, thawed := c.state(), c.thawed
		c.mu.Unlock()
		if state != Paused {
			defer c.starts.RUnlock()
			if state == Stopped {
				return nil, c.stateError("exec in", state)
			}
			if c.frozenFromWithin() {
				return nil, c.stateError("exec in", Paused)
			}
			return c.exec(execID, p)
		}
		c.starts.RUnlock()
		select {
		case <-thawed:
		case <-c.init.Done():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// frozenFromWithin tells whether a container that may write to its own cgroup
// has frozen itself.
func (c *Container) frozenFromWithin() bool {
	data, err := os.ReadFile(c.Group() + "/cgroup.freeze")
	return err == nil && len(data) > 0 && data[0] == '1'
}

func (c *Container) exec(execID string, p *specs.Process) (*process.Process, error) {
	dropProcessLabels(c.log, c.ID, p)
	lp, err := libProcess(p)
	if err != nil {
		return nil, fmt.Errorf("%w: process: %w", ErrInvalid, err)
	}
	refresh(c.spec.Mounts)
	// A handle holds a lock while a process starts. A handle of our own lets
	// execs start beside each other, and one that waits frozen block nobody.
	lib, err := libcontainer.Load(StateRoot, c.ID)
	if err != nil {
		return nil, err
	}
	return c.launch(lib, execID, lp, p.Terminal)
}

// RemoveProcess forgets an ended exec.
func (c *Container) RemoveProcess(execID string) error {
	p, err := c.Process(execID)
	if err != nil {
		return err
	}
	if p.Running() {
		return fmt.Errorf("%w: cannot remove process %s of container %s: it is running", ErrState, execID, c.ID)
	}
	c.mu.Lock()
	delete(c.execs, execID)
	c.mu.Unlock()
	p.Remove()
	return nil
}
