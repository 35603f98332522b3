package sandbox

import (
	"context"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// createHooks runs the hooks of create that are the host's, in the order of
// the runtime-spec (runtime.md, "Lifecycle"). createContainer's program is
// looked up on the host but runs in the container's namespaces; of those the
// host has the network's, so that is where it runs.
func (h *Host) createHooks(ctx context.Context, st *State, c *Container) error {
	hooks := c.Spec.Hooks
	if hooks == nil {
		return nil
	}
	c.hooked = true
	state := c.ociState(specs.StateCreating)
	//lint:ignore SA1019 every Docker up to 27 uses it
	if err := h.runHooks(ctx, &State{}, "prestart", hooks.Prestart, state); err != nil {
		return err
	}
	if err := h.runHooks(ctx, &State{}, "createRuntime", hooks.CreateRuntime, state); err != nil {
		return err
	}
	return h.runHooks(ctx, st, "createContainer", hooks.CreateContainer, state)
}

// poststop runs the hooks of a container that is gone. One that fails is only logged
// (runtime-spec, runtime.md, "Lifecycle").
func (h *Host) poststop(ctx context.Context, c *Container) {
	hooks := c.Spec.Hooks
	if hooks == nil {
		return
	}
	if err := h.runHooks(ctx, &State{}, "poststop", hooks.Poststop, c.ociState(specs.StateStopped)); err != nil {
		h.log.Warn("container "+c.ID+" is deleted all the same", "error", err)
	}
}

// afterFailure runs the poststop hooks of a container whose creation is taken back, if
// others had run before: what those have made is theirs to remove.
func (h *Host) afterFailure(ctx context.Context, c *Container) {
	if c != nil && c.hooked {
		h.poststop(context.WithoutCancel(ctx), c)
	}
}

// runHooks runs one stage: in the sandbox's network namespace if st has one,
// else where we are.
func (h *Host) runHooks(ctx context.Context, st *State, stage string, hooks []specs.Hook, state *specs.State) error {
	if len(hooks) == 0 {
		return nil
	}
	return container.RunHooks(ctx, stage, hooks, state, st.start)
}
