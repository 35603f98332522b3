package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"

	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// Deadlines of calls to the agent. They are for a guest that hangs, not for
// one that is slow: under TCG on a crowded host the slowest call (create) was
// seen to take some seconds.
const (
	callTimeout = 60 * time.Second
	killTimeout = 10 * time.Second
)

// agent is a connection to the agent of a running sandbox.
type agent struct {
	*dial.Agent
}

// connect reaches the agent of a sandbox whose VM lives.
func (h *Host) connect(ctx context.Context, st *State) (*agent, error) {
	if !st.VM.Process.Alive() {
		return nil, errDying
	}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	client, err := dial.Client(ctx, st.Agent)
	if err != nil {
		return nil, err
	}
	return &agent{client}, nil
}

// call makes one call under the usual deadline and turns its error into a
// person's words.
func (a *agent) call(ctx context.Context, do func(context.Context) error) error {
	return callFor(ctx, callTimeout, do)
}

func callFor(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return guestError(do(ctx))
}

// guestErr is an agent's answer: its text is printable and bounded, since the
// guest chose it; its code can be asked for.
type guestErr struct {
	code call.Code
	text string
}

func (e *guestErr) Error() string { return e.text }

func guestError(err error) error {
	if err == nil {
		return nil
	}
	var answer *call.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Code {
	case call.DeadlineExceeded:
		return errors.New("the guest does not answer in time")
	case call.Unavailable:
		return fmt.Errorf("the guest cannot be reached: %s", wire.Printable(answer.Text))
	}
	return &guestErr{answer.Code, wire.Printable(answer.Text)}
}

func guestCode(err error) call.Code {
	var e *guestErr
	if errors.As(err, &e) {
		return e.code
	}
	return call.Unknown
}

// takeBack undoes a call to the agent of the sandbox that a container is in. That
// call may not have been answered, and its connection may have been closed since;
// so this has a connection and a time of its own. What is not there, and
// a guest that has ended, are no errors.
func (h *Host) takeBack(id string, do func(context.Context, *agent) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	err := h.onAgent(ctx, id, do)
	if guestCode(err) == call.NotFound || errors.Is(err, errDying) {
		return nil
	}
	return err
}

// change updates one container's entry.
func (h *Host) change(dir *state.Dir, id string, change func(*Container)) error {
	st := new(State)
	return dir.Update(st, func() error {
		c := st.Containers[id]
		if c == nil {
			return ErrNotExist
		}
		change(c)
		return nil
	})
}
