package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// templateID is the id of the sandbox that a template is made of, the only one
// below its own root.
const templateID = "template"

// MakeTemplate boots a VM, saves it for clones to begin with, and ends it. What
// an earlier call has left that was killed, it removes first. The error is
// factory.ErrBusy while another process is at it.
func (h *Host) MakeTemplate(ctx context.Context) (info *factory.Info, err error) {
	lock, err := h.settings.Factory.Folder().Lock()
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	worker, err := h.templateHost(ctx, lock)
	if err != nil {
		return nil, err
	}
	draft, err := lock.Draft()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, draft.Abandon()) }()
	if err := worker.fill(ctx, draft); err != nil {
		if ctx.Err() == nil {
			err = errors.Join(err, draft.Fail(err))
		}
		return nil, fmt.Errorf("make a template: %w", err)
	}
	return draft.Commit()
}

// templateHost answers the host below which a template's VM runs, with nothing
// on it.
func (h *Host) templateHost(ctx context.Context, lock *factory.Locked) (*Host, error) {
	worker, err := NewHost(lock.VMDir(), h.settings, h.log)
	if err != nil {
		return nil, err
	}
	// A farewell as in Delete would wait for a guest that may be stopped.
	dir, st, _, err := worker.load(templateID)
	if errors.Is(err, ErrNotExist) {
		return worker, nil
	}
	if dir == nil {
		return nil, err
	}
	if st == nil {
		st = &State{ID: templateID}
	}
	return worker, worker.teardown(ctx, dir, st)
}

// fill boots the draft's VM and saves it as soon as its guest is set up.
func (h *Host) fill(ctx context.Context, draft *factory.Draft) error {
	return h.borrow(templateID, func(dir *state.Dir, st *State) error {
		b, err := h.newBoot(dir, st, &specs.Spec{Linux: &specs.Linux{}}, oci.Single)
		if err != nil {
			return err
		}
		defer b.close()
		vm := b.spec
		if why, err := h.unfit(vm, st); err != nil || why != "" {
			return errors.Join(err, errors.New(why))
		}
		b.choice = cloneShare
		if err := b.equip(st, true); err != nil {
			return err
		}
		if err := b.shareFolder(st, vm); err != nil {
			return err
		}
		channel, err := b.serial(st, vm)
		if err != nil {
			return err
		}
		if b.vm, err = draft.Boot(ctx, h.settings.Hypervisor, vm); err != nil {
			return err
		}
		st.VM = *b.vm
		if err := b.startProxy(st, channel); err != nil {
			return err
		}
		if err := b.untilReady(ctx, st); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		// The guest sees the port's other end go, as when a proxy dies: a clone's
		// proxy begins a session of its own.
		if err := st.Proxy.Kill(ctx); err != nil {
			return err
		}
		return draft.Save(ctx, b.vm)
	})
}

// untilReady waits until the guest has nothing left to set up, and has it
// rehearse.
func (b *boot) untilReady(ctx context.Context, st *State) error {
	ctx, cancel := b.vm.Bind(ctx)
	defer cancel()
	ctx, stop := b.patient(ctx)
	defer stop()
	agent, err := dial.Connect(ctx, st.Agent, "kata-runtime factory")
	if err != nil {
		return b.failure(ctx, err)
	}
	defer agent.Close()
	// It brings online what there is already, after the guest's set-up.
	if _, err := agent.OnlineResources(ctx, &agentpb.OnlineResourcesRequest{}); err != nil {
		return b.failure(ctx, guestError(err))
	}
	if err := b.rehearse(ctx, agent); err != nil {
		return b.failure(ctx, err)
	}
	return nil
}

// Factory answers the settings by which templates are made and used.
func (h *Host) Factory() *factory.Config { return h.settings.Factory }

// Templates are the saved VMs of a host.
type Templates struct {
	// Path is their folder.
	Path string
	// All are those that there are, the oldest first, then those that could not be
	// made a short while ago.
	All []factory.Listed
}

// Templates tells what there is.
func (h *Host) Templates() (*Templates, error) {
	folder := h.settings.Factory.Folder()
	all, err := folder.List()
	if err != nil {
		return nil, err
	}
	missing, err := folder.NotMade()
	if err != nil {
		return nil, err
	}
	return &Templates{Path: folder.Path(), All: append(all, missing...)}, nil
}

// RemoveTemplates removes all templates, and what the making of one has left
// that was killed. Clones live on.
func (h *Host) RemoveTemplates(ctx context.Context) error {
	lock, err := h.settings.Factory.Folder().Lock()
	if err != nil {
		return err
	}
	if _, err := h.templateHost(ctx, lock); err != nil {
		lock.Unlock()
		return err
	}
	return lock.Destroy()
}
