package container

import (
	"fmt"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent/process"
)

// Exec starts a further process. In a paused container it starts only with
// ignorePaused, and then the call returns when the container is resumed.
func (c *Container) Exec(execID string, p *specs.Process, ignorePaused bool) (*process.Process, error) {
	if err := c.reserve(execID, ignorePaused); err != nil {
		return nil, err
	}
	started, err := c.exec(execID, p)
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

func (c *Container) exec(execID string, p *specs.Process) (*process.Process, error) {
	dropProcessLabels(c.log, c.ID, p)
	lp, err := libProcess(p)
	if err != nil {
		return nil, fmt.Errorf("%w: process: %w", ErrInvalid, err)
	}
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
