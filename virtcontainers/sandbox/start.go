package sandbox

import (
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// Start lets the process of a created container run. Interfaces that came
// into the network namespace since create reach the guest first.
func (h *Host) Start(ctx context.Context, id string) error {
	phases := NewPhases(h.log, time.Now())
	dir, st, c, err := h.load(id)
	if err != nil {
		return err
	}
	if err := c.status().Check(container.Start); err != nil {
		return err
	}
	agent, err := h.connect(ctx, st)
	if err != nil {
		return fmt.Errorf("start container %s: %w", id, err)
	}
	defer agent.Close()
	if err := h.enterNetwork(ctx, dir, st, c, agent); err != nil {
		return fmt.Errorf("start container %s: %w", id, err)
	}
	if err := agent.call(ctx, func(ctx context.Context) error {
		_, err := agent.StartContainer(ctx, &agentpb.ContainerRequest{ContainerId: id})
		return err
	}); err != nil {
		return fmt.Errorf("unable to start container process: %w", err)
	}
	phases.Done("started")
	if err := noteFlag(dir, id, container.Start, startedFlag, true); err != nil {
		return err
	}
	if c.Spec.Hooks == nil {
		return nil
	}
	// A failed poststart hook is only logged (runtime-spec, runtime.md, "Lifecycle").
	if err := h.runHooks(ctx, &State{}, "poststart", c.Spec.Hooks.Poststart, c, specs.StateRunning); err != nil {
		h.log.Warn("container "+id+" runs all the same", "error", err)
	}
	return nil
}
