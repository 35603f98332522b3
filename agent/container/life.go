package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent/process"
)

// Signal sends a signal to the init process ("") or an exec; 0 only probes.
func (c *Container) Signal(ctx context.Context, execID string, sig unix.Signal) error {
	p, err := c.Process(execID)
	if err != nil {
		return err
	}
	c.awaitProgram(ctx, execID, p, sig)
	err = p.Signal(sig)
	if errors.Is(err, process.ErrEnded) {
		return fmt.Errorf("%w: cannot signal process %q of container %s: it is stopped", ErrNotFound, execID, c.ID)
	}
	if err == nil && execID == "" && sig == unix.SIGKILL && !ownPIDs(c.spec) {
		// No pid namespace ends with its init: the others would live on, as runc has it.
		return c.SignalAll(ctx, sig)
	}
	return err
}

// ownPIDs tells whether a container (its document rewritten) has a pid namespace
// of its own.
func ownPIDs(spec *specs.Spec) bool {
	return slices.ContainsFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.PIDNamespace && n.Path == ""
	})
}

// SignalAll sends a signal to every process in the container.
func (c *Container) SignalAll(ctx context.Context, sig unix.Signal) error {
	if sig == unix.SIGKILL {
		// The kernel kills them all at once, frozen ones too, and leaves no
		// gap for a fork.
		err := os.WriteFile(filepath.Join(c.cgroup.Path(""), "cgroup.kill"), []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("kill container %s: %w", c.ID, err)
		}
		return nil
	}
	c.awaitProgram(ctx, "", c.init, sig)
	pids, err := c.cgroup.GetAllPids()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signal container %s: %w", c.ID, err)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("signal process %d of container %s: %w", pid, c.ID, err)
		}
	}
	return nil
}

// Pause freezes a container that runs or is created. One that is paused already is
// no error: a caller that was cut off before it noted the answer asks again.
func (c *Container) Pause() error {
	return c.freeze("pause", cgroups.Frozen)
}

// Resume thaws a paused container. One that is not paused is no error, as for Pause.
func (c *Container) Resume() error {
	return c.freeze("resume", cgroups.Thawed)
}

func (c *Container) freeze(verb string, to cgroups.FreezerState) error {
	c.change.Lock()
	defer c.change.Unlock()
	c.starts.Lock()
	defer c.starts.Unlock()
	switch state := c.State(); {
	case state == Stopped:
		return c.stateError(verb, state)
	case (state == Paused) == (to == cgroups.Frozen):
		return nil
	}
	if err := c.cgroup.Freeze(to); err != nil {
		if to == cgroups.Frozen {
			// What is frozen already, or will be, must not stay so: it does not count as paused.
			err = errors.Join(err, c.cgroup.Freeze(cgroups.Thawed))
		}
		return fmt.Errorf("%s container %s: %w", verb, c.ID, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if to == cgroups.Frozen {
		c.thawed = make(chan struct{})
		return nil
	}
	close(c.thawed)
	c.thawed = nil
	return nil
}

// End kills what still runs in the container and waits for its end.
func (c *Container) End() error {
	c.change.Lock()
	defer c.change.Unlock()
	return c.end()
}

// end: change is held.
func (c *Container) end() error {
	if err := c.SignalAll(context.Background(), unix.SIGKILL); err != nil {
		return err
	}
	c.init.Signal(unix.SIGKILL) // created, and not yet in the group, it cannot be
	<-c.init.Done()
	for _, p := range c.allExecs() {
		<-p.Done()
	}
	return nil
}

// Remove ends what still runs in the container, and frees all that it has. It
// may be called again after an error.
func (c *Container) Remove() error {
	c.change.Lock()
	defer c.change.Unlock()
	if err := c.end(); err != nil {
		return err
	}
	for _, p := range c.allExecs() {
		p.Remove()
	}
	if err := c.lib.Destroy(); err != nil {
		return fmt.Errorf("remove container %s: %w", c.ID, err)
	}
	c.init.Remove()
	c.mu.Lock()
	c.removed = true
	c.mu.Unlock()
	return nil
}

func (c *Container) allExecs() []*process.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*process.Process
	for _, p := range c.execs {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// WriteSysctls sets kernel settings of the guest, by their names with dots (or
// with slashes, if the first separator is one: sysctl(8)).
func WriteSysctls(values map[string]string) error {
	for key, value := range values {
		path, err := sysctlPath(key)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return fmt.Errorf("sysctl %s: %w", key, err)
		}
	}
	return nil
}

func sysctlPath(key string) (string, error) {
	name := key
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		// "net.ipv4.conf.eth0/1.x" is net/ipv4/conf/eth0.1/x.
		name = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, key)
	}
	if name == "" || !filepath.IsLocal(name) || filepath.Clean(name) != name {
		return "", fmt.Errorf("%w: sysctl %q is not a name", ErrInvalid, key)
	}
	return filepath.Join("/proc/sys", name), nil
}
