package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/containerd/console"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/internal/undo"
	"github.com/kata-go/kata-runtime/internal/view"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// ExecRequest describes a further process of a container.
type ExecRequest struct {
	ID      string
	Process *specs.Process
	// IgnorePaused starts it in a paused container, too; it waits frozen.
	IgnorePaused bool
	// Console is the socket that gets the terminal's master; empty for none.
	Console string
	Stdio   container.Stdio
	// Publish tells the engine the shim's pid; the process runs by then.
	Publish func(pid int) error
	// Attach, if not nil, replaces the shim: Console and Stdio are not used.
	Attach Attach
}

// Exec starts a further process in a container and answers its shim.
func (h *Host) Exec(ctx context.Context, req *ExecRequest) (shim *container.Shim, err error) {
	dir, st, c, err := h.load(req.ID)
	if err != nil {
		return nil, err
	}
	if err := c.status().Check(container.Exec); err != nil {
		return nil, err
	}
	paused := c.status() == container.Paused
	if paused && !req.IgnorePaused {
		return nil, fmt.Errorf("cannot exec in a paused container (use --ignore-paused to override)")
	}
	var done undo.List
	defer func() {
		if err != nil {
			done.Run() // the process's own error says more than what its shim's end does
		}
	}()
	execID, err := newExecID()
	if err != nil {
		return nil, err
	}
	shim, err = h.startShim(ctx, dir, st, &shimOf{
		id: req.ID, execID: execID, process: req.Process, console: req.Console, stdio: req.Stdio,
		attach: req.Attach,
	})
	if err != nil {
		return nil, err
	}
	done.Add("end shim", shim.Abandon)

	a, err := h.connect(ctx, st)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	document, err := json.Marshal(req.Process)
	if err != nil {
		return nil, err
	}
	call := a.call
	if paused {
		// As long as whoever has paused it wants, which is how runc has it.
		call = func(ctx context.Context, do func(context.Context) error) error { return guestError(do(ctx)) }
	}
	// Before the call: when it is not answered, nobody here knows whether the
	// process runs.
	done.Add("end process", func() error {
		return h.takeBack(req.ID, func(ctx context.Context, a *agent) error { return a.EndExec(ctx, req.ID, execID) })
	})
	if err := call(ctx, func(ctx context.Context) error {
		_, err := a.ExecProcess(ctx, &agentpb.ExecProcessRequest{
			ContainerId: req.ID, ExecId: execID, Process: document, IgnorePaused: req.IgnorePaused,
		})
		return err
	}); err != nil {
		return nil, err
	}
	pid := c.PID
	if req.Attach == nil {
		pid = shim.Handle.PID
		if err := h.change(dir, req.ID, func(c *Container) { c.addExec(execID, shim.Handle) }); err != nil {
			return nil, err
		}
	}
	if err := req.Publish(pid); err != nil {
		return nil, err
	}
	return shim, shim.Release()
}

// addExec records an exec's shim and forgets those that have ended.
func (c *Container) addExec(id string, shim proc.Handle) {
	for old, handle := range c.Execs {
		if !handle.Alive() {
			delete(c.Execs, old)
		}
	}
	if c.Execs == nil {
		c.Execs = map[string]proc.Handle{}
	}
	c.Execs[id] = shim
}

// newExecID is random: two execs at once must not get the same.
func newExecID() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}

// shimOf says for which process a shim is started, and with what.
type shimOf struct {
	id, execID string
	process    *specs.Process
	console    string
	stdio      container.Stdio
	stage      *view.View
	// bundle is told of a kill for want of memory.
	bundle string
	// forward: the shim is a pod's, and forwards its ports.
	forward bool
	// clock: the shim is the sandbox's first container's, and keeps the guest's clock.
	clock bool
	// last: the shim is the init's of a container with a pid namespace of its own.
	last bool
	// attach is set by a caller that stands for the process itself.
	attach Attach
}

// shim describes the shim of the requested container's init process.
func (req *CreateRequest) shim(c *Container) *shimOf {
	_, sharesPIDs := oci.PIDNamespace(req.Bundle.Spec)
	return &shimOf{
		id: req.ID, process: req.Bundle.Spec.Process, console: req.Console, stdio: req.Stdio, stage: stageOf(req.Bundle, c),
		bundle: req.Bundle.Path, last: !sharesPIDs,
		attach: req.Attach,
	}
}

// startShim starts the shim of one process, inside the sandbox's network
// namespace: engines look for the container's network at /proc/PID/ns/net.
func (h *Host) startShim(ctx context.Context, dir *state.Dir, st *State, of *shimOf) (*container.Shim, error) {
	if of.attach != nil {
		return container.OwnShim(func() error { return of.attach(st.Agent, of.execID) }), nil
	}
	stdio := of.stdio
	if of.console != "" {
		slave, err := container.NewConsole(ctx, of.console, consoleSize(of.process))
		if err != nil {
			return nil, err
		}
		defer slave.Close()
		stdio.Stdin, stdio.Stdout, stdio.Stderr = slave, slave, slave
	}
	return container.StartShim(h.settings.Shim, &container.ShimSpec{
		Agent: st.Agent, Container: of.id, Exec: of.execID, Terminal: of.process.Terminal, Title: of.process.Args,
		Stage: of.stage, Bundle: of.bundle, Forward: of.forward, Clock: of.clock, Last: of.last, Stdio: stdio, Dir: dir.Path, Log: h.settings.Log,
	}, st.start)
}

func consoleSize(p *specs.Process) *console.WinSize {
	if p.ConsoleSize == nil {
		return nil
	}
	return &console.WinSize{Height: uint16(p.ConsoleSize.Height), Width: uint16(p.ConsoleSize.Width)}
}
