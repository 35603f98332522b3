package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// OOMs calls each with the id of a container whenever the guest's kernel has killed
// a process of it for want of memory: once a second, at most, for one container.
// Only those that has says are of the sandbox count, since the guest may name any.
// A connection that breaks is made again; kills in between are not told. It returns
// when the VM or ctx has ended.
func (h *Host) OOMs(ctx context.Context, sandboxID string, has func(id string) bool, each func(id string)) error {
	_, st, _, err := h.load(sandboxID)
	if err != nil {
		return err
	}
	pass := pace{now: time.Now, has: has}
	return again(ctx, func() error {
		err := h.listen(ctx, st, func(id string) {
			if pass.let(id) {
				each(id)
			}
		})
		if !errors.Is(err, errDying) {
			h.log.Debug("the guest's events broke off", "sandbox", sandboxID, "error", err)
		}
		return err
	})
}

// listen passes the guest's events on until the connection breaks.
func (h *Host) listen(ctx context.Context, st *State, each func(id string)) error {
	agent, err := h.connect(ctx, st)
	if err != nil {
		return err
	}
	defer agent.Close()
	events, err := agent.Events(ctx, &agentpb.EventsRequest{})
	for err == nil {
		var event *agentpb.Event
		if event, err = events.Recv(); err != nil {
			break
		}
		if event.Kind == agentpb.Event_OOM {
			each(event.ContainerId)
		}
	}
	return fmt.Errorf("sandbox %s: events: %w", st.ID, guestError(err))
}

// oomPause is how long kills in a container are one event: engines only note that
// there was one.
const oomPause = time.Second

// pace lets a container's event pass, and then none of it for oomPause. What it
// remembers are containers of the sandbox, so the guest cannot fill it.
type pace struct {
	now  func() time.Time
	has  func(id string) bool
	last map[string]time.Time
}

func (p *pace) let(id string) bool {
	if !p.has(id) {
		return false
	}
	now := p.now()
	if last, ok := p.last[id]; ok && now.Sub(last) < oomPause {
		return false
	}
	maps.DeleteFunc(p.last, func(_ string, last time.Time) bool { return now.Sub(last) >= oomPause })
	if p.last == nil {
		p.last = map[string]time.Time{}
	}
	p.last[id] = now
	return true
}

// Pauses between two tries to reach a guest that lives: nothing says when it
// can be reached again.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// again repeats do, which works for a while and then fails, until it says that
// the VM has ended, or until ctx ends.
func again(ctx context.Context, do func() error) error {
	pause := firstPause
	for {
		began := time.Now()
		err := do()
		if errors.Is(err, errDying) || ctx.Err() != nil {
			return err
		}
		if time.Since(began) > lastPause {
			pause = firstPause // it did work
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		case <-ctx.Done():
			return err
		}
	}
}
