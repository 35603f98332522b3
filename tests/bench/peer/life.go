package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// The measures, named after the verbs.
const (
	Run         = "run"
	Create      = "create"
	Start       = "start"
	Exec        = "exec"
	Kill        = "kill"
	Delete      = "delete"
	DeleteForce = "delete --force"
)

// Measures in the order in which they are shown, and what each stands for.
var Measures = []struct{ Name, What string }{
	{Run, "run /bin/true"},
	{Create, "create"},
	{Start, "start"},
	{Exec, "exec true"},
	{Kill, "kill, until it has ended"},
	{Delete, "delete"},
	{DeleteForce, "delete --force, running"},
}

// IDPrefix begins the ids of our containers: what has another is not ours to remove.
const IDPrefix = "bench-"

// Bundles that are measured.
type Bundles struct {
	// True ends at once; Sleep does not end by itself.
	True, Sleep string
}

// Note takes a sample, in seconds.
type Note func(measure string, seconds float64)

// timed runs a verb and notes its time.
func (p *Peer) timed(ctx context.Context, note Note, measure string, args ...string) (Result, error) {
	r, err := p.Run(ctx, args...)
	if err == nil {
		note(measure, r.Wall.Seconds())
	}
	return r, err
}

// Once runs a container whose process ends at once.
func (p *Peer) Once(ctx context.Context, round int, b Bundles, note Note) error {
	_, err := p.timed(ctx, note, Run, "run", "--bundle", b.True, p.ID("run", round))
	return err
}

// Living calls f with a container that runs and has done something, and removes
// it.
func (p *Peer) Living(ctx context.Context, id string, b Bundles, f func(id string) error) (err error) {
	if _, err := p.Begin(ctx, id, b, func(string, float64) {}); err != nil {
		return err
	}
	defer func() {
		_, end := p.Run(context.WithoutCancel(ctx), "delete", "--force", id)
		err = errors.Join(err, end)
	}()
	if _, err := p.Run(ctx, "exec", id, "true"); err != nil {
		return err
	}
	return f(id)
}

// Output runs a bundle and answers what its process wrote.
func (p *Peer) Output(ctx context.Context, bundle string) (string, error) {
	r, err := p.Run(ctx, "run", "--bundle", bundle, p.ID("out", 0))
	return strings.TrimSpace(string(r.Out)), err
}

// Life takes a container through its life, verb by verb. idle, which may be
// nil, is called while it runs and nothing happens.
func (p *Peer) Life(ctx context.Context, round int, b Bundles, note Note, idle func(id string) error) error {
	id := p.ID("life", round)
	pid, err := p.Begin(ctx, id, b, note)
	if err != nil {
		return err
	}
	if _, err := p.timed(ctx, note, Exec, "exec", id, "true"); err != nil {
		return err
	}
	if idle != nil {
		if err := idle(id); err != nil {
			return err
		}
	}
	if err := p.kill(ctx, id, pid, note); err != nil {
		return err
	}
	_, err = p.timed(ctx, note, Delete, "delete", id)
	return err
}

// Force deletes a running container.
func (p *Peer) Force(ctx context.Context, round int, b Bundles, note Note) error {
	id := p.ID("force", round)
	if _, err := p.Begin(ctx, id, b, func(string, float64) {}); err != nil {
		return err
	}
	_, err := p.timed(ctx, note, DeleteForce, "delete", "--force", id)
	return err
}

// Begin creates and starts a container and answers its process on the host.
func (p *Peer) Begin(ctx context.Context, id string, b Bundles, note Note) (proc.Handle, error) {
	file := filepath.Join(p.Dir, id+".pid")
	defer os.Remove(file)
	if _, err := p.timed(ctx, note, Create, "create", "--bundle", b.Sleep, "--pid-file", file, id); err != nil {
		return proc.Handle{}, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return proc.Handle{}, fmt.Errorf("%s: %w", p.Name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return proc.Handle{}, fmt.Errorf("%s: pid file: %w", p.Name, err)
	}
	h, err := proc.Of(pid)
	if err != nil {
		return proc.Handle{}, fmt.Errorf("%s: %w", p.Name, err)
	}
	_, err = p.timed(ctx, note, Start, "start", id)
	return h, err
}

// kill ends a container's process and waits until it has ended, which is what
// an engine waits for.
func (p *Peer) kill(ctx context.Context, id string, process proc.Handle, note Note) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	r, err := p.Run(ctx, "kill", id, "KILL")
	if err != nil {
		return err
	}
	if err := process.Wait(ctx); err != nil {
		return fmt.Errorf("%s: the process of %s does not end: %w", p.Name, id, err)
	}
	note(Kill, time.Since(r.Start).Seconds())
	return p.stopped(ctx, id)
}

// stopped waits until the runtime says that a container has stopped: runsc
// learns of its process's end a little later, and refuses to delete before.
func (p *Peer) stopped(ctx context.Context, id string) error {
	for {
		r, err := p.Run(ctx, "state", id)
		if err != nil {
			return err
		}
		var state struct{ Status string }
		if err := json.Unmarshal(r.Out, &state); err != nil {
			return fmt.Errorf("%s: state of %s: %w", p.Name, id, err)
		}
		if state.Status == "stopped" {
			return nil
		}
	}
}

// ID answers the id of a container of ours, by what it is for.
func (p *Peer) ID(what string, round int) string {
	name := p.Short
	if name == "" {
		name = p.Name
	}
	return fmt.Sprintf("%s%s-%s-%d", IDPrefix, name, what, round)
}
