package sandbox

import (
	"context"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/internal/proc"
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
	//lint:ignore SA1019 every Docker up to 27 uses it
	if err := h.runHooks(ctx, &State{}, "prestart", hooks.Prestart, c, specs.StateCreating); err != nil {
		return err
	}
	if err := h.runHooks(ctx, &State{}, "createRuntime", hooks.CreateRuntime, c, specs.StateCreating); err != nil {
		return err
	}
	return h.runHooks(ctx, st, createContainer, hooks.CreateContainer, c, specs.StateCreating)
}

// poststop runs the hooks of a container that is gone. One that fails is only logged
// (runtime-spec, runtime.md, "Lifecycle").
func (h *Host) poststop(ctx context.Context, c *Container) {
	hooks := c.Spec.Hooks
	if hooks == nil {
		return
	}
	if err := h.runHooks(ctx, &State{}, "poststop", hooks.Poststop, c, specs.StateStopped); err != nil {
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
// else where we are; from the bundle, or as in runc from the root file system for
// hooks that are the container's.
func (h *Host) runHooks(ctx context.Context, st *State, stage string, hooks []specs.Hook, c *Container, status specs.ContainerState) error {
	if len(hooks) == 0 {
		return nil
	}
	dir := c.Bundle
	if stage == createContainer {
		dir = c.Rootfs
	}
	if _, err := os.Stat(dir); err != nil && status == specs.StateStopped {
		dir = "" // it may have gone before its container
	}
	return container.RunHooks(ctx, stage, hooks, c.ociState(status), dir, c.hookEnv(stage), st.start)
}

// hookEnv is the environment of hooks to which the document gives none: ours, and
// the process's for hooks that are the container's. The runtime-spec leaves it
// open; it is so with runc.
func (c *Container) hookEnv(stage string) []string {
	if stage == createContainer && c.Spec.Process != nil {
		return c.Spec.Process.Env
	}
	return proc.Unmarked(os.Environ())
}

const createContainer = "createContainer"
