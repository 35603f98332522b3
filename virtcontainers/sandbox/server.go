package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/kata-go/kata-runtime/virtcontainers/factory/cache"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// errNoCache is the answer where none is configured.
var errNoCache = errors.New("[factory] vm_cache_number is 0: no virtual machines are to be kept ready")

// ServeCache keeps virtual machines ready, and hands them out, until ctx ends
// or somebody calls StopCache. What a server before it has left that was
// killed, it removes first. listening, if not nil, is called once it can be
// asked. The error is cache.ErrBusy while another process serves.
func (h *Host) ServeCache(ctx context.Context, listening func()) error {
	p, ok := h.place()
	if !ok {
		return errNoCache
	}
	vm, err := h.model(false)
	if err != nil {
		return err
	}
	if why, err := h.unfit(vm, &State{}); err != nil || why != "" {
		return errors.Join(err, fmt.Errorf("virtual machines cannot be kept ready: %s", why))
	}
	lock, err := h.lockPlace(ctx, p)
	if err != nil {
		return err
	}
	worker, err := h.clearCache(ctx, p)
	if err != nil {
		lock.Close()
		return err
	}
	err = cache.Serve(ctx, p, &maker{host: worker}, int(h.settings.Factory.VMCacheNumber), h.log, listening)
	if err != nil {
		lock.Close()
		return err
	}
	return p.Remove(lock)
}

// lockPlace waits a moment for who only cleans up.
func (h *Host) lockPlace(ctx context.Context, p cache.Place) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return p.Wait(ctx)
}

// clearCache removes the VMs that no sandbox has, and answers the host below
// which they lie. The caller holds the place's lock.
func (h *Host) clearCache(ctx context.Context, p cache.Place) (*Host, error) {
	worker, err := NewHost(p.Dir(), h.settings, h.log)
	if err != nil {
		return nil, err
	}
	names, err := worker.store.List()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range names {
		if _, st, _, err := worker.load(name); err == nil && st.Owner != "" && hasOrigin(st.Owner, name) {
			continue
		}
		errs = append(errs, worker.discard(ctx, name))
	}
	return worker, errors.Join(errs...)
}

// hasOrigin tells whether the sandbox in the folder owner has the ready VM
// name, or may be about to say so.
func hasOrigin(owner, name string) bool {
	store, err := state.Open(filepath.Dir(filepath.Dir(owner)))
	if err != nil {
		return true
	}
	dir, err := store.Sandbox(filepath.Base(owner))
	if errors.Is(err, ErrNotExist) {
		return false
	}
	st := new(State)
	if err != nil || dir.Read(st) != nil {
		return true
	}
	return st.Origin == name || st.Origin == "" && st.Cache != ""
}

// StartCache begins to keep virtual machines ready, by a process of its own,
// and answers when they are. A server that runs is replaced by the new one.
func (h *Host) StartCache(ctx context.Context) (*cache.Status, error) {
	p, ok := h.place()
	if !ok {
		return nil, errNoCache
	}
	if err := h.StopCache(ctx); err != nil {
		return nil, err
	}
	if err := h.startAndWait(ctx, p); err != nil {
		return nil, err
	}
	status, err := p.Settle(ctx)
	if err == nil && status.Failed != "" {
		err = errors.New(status.Failed)
	}
	if err != nil {
		return nil, fmt.Errorf("keep virtual machines ready: %w", err)
	}
	return status, nil
}

// StopCache ends the server, the virtual machines that it keeps, and what one
// that was killed has left. Those that sandboxes have taken live on.
func (h *Host) StopCache(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, teardownTimeout)
	defer cancel()
	p, _ := h.place()
	if _, err := os.Lstat(p.Dir()); err != nil {
		if _, err := os.Lstat(p.Endpoint); err != nil {
			return nil // there was none
		}
	}
	if err := p.Stop(ctx); err != nil && !errors.Is(err, cache.ErrNotServed) {
		return err
	}
	lock, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	if _, err := h.clearCache(ctx, p); err != nil {
		lock.Close()
		return err
	}
	return p.Remove(lock)
}

// CacheStatus tells how far the server is, with wait once it is through with
// what it is making; nil if there is none.
func (h *Host) CacheStatus(ctx context.Context, wait bool) (*cache.Status, error) {
	p, _ := h.place()
	ask := p.Status
	if wait {
		ask = p.Settle
	}
	status, err := ask(ctx)
	if errors.Is(err, cache.ErrNotServed) {
		return nil, nil
	}
	return status, err
}

// startAndWait starts the server and waits until it can be asked.
func (h *Host) startAndWait(ctx context.Context, p cache.Place) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	err = h.startServer(p, w)
	w.Close()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { r.Close() })
	defer stop()
	// Nothing comes if it has ended.
	if n, _ := r.Read(make([]byte, 1)); n == 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the server of ready virtual machines has ended: see %s", p.Log())
	}
	return nil
}

// startServer starts the server in the background. It writes to ready, if not
// nil, once it can be asked. Of several, one serves and the others end.
func (h *Host) startServer(p cache.Place, ready *os.File) error {
	serve := h.settings.Serve
	if len(serve) == 0 {
		return errors.New("the program kata-runtime is not beside this one: run \"kata-runtime factory serve\"")
	}
	if err := os.MkdirAll(filepath.Dir(p.Log()), 0o700); err != nil {
		return err
	}
	args := append(serve[1:len(serve):len(serve)], "--log", p.Log(), "factory", "serve", "--background")
	if ready != nil {
		args = append(args, "--ready-fd", "3")
	}
	cmd := exec.Command(serve[0], args...)
	if ready != nil {
		cmd.ExtraFiles = []*os.File{ready}
	}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", serve[0], err)
	}
	go cmd.Wait() // as long as we are its parent
	return nil
}
