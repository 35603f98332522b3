package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// Table holds what is mounted, by mount point.
type Table struct {
	log  *slog.Logger
	root string

	mu     sync.Mutex
	mounts map[string]*entry
	// order of mounting; unmounting goes backwards.
	order []string
}

type entry struct {
	storage *agentpb.Storage
	// pinned: it is the sandbox's, and stays without a user.
	pinned bool
	users  map[string]bool
	// ready is closed when the mount has been tried; err is valid then.
	ready chan struct{}
	err   error
}

// NewTable makes a table of mounts below root.
func NewTable(log *slog.Logger, root string) *Table {
	return &Table{log: log, root: root, mounts: map[string]*entry{}}
}

// Add mounts storages for the sandbox, in their order. On an error those that
// it has mounted are unmounted.
func (t *Table) Add(ctx context.Context, storages []*agentpb.Storage) error {
	for i, s := range storages {
		if err := t.add(ctx, s, ""); err != nil {
			for _, done := range storages[:i] {
				if uerr := t.Remove(done.MountPoint); uerr != nil {
					t.log.Error("storage not undone", "path", done.MountPoint, "error", uerr)
				}
			}
			return err
		}
	}
	return nil
}

// AddFor mounts storages for a container, or takes a share in those that are
// mounted already. Release gives them back; what is for the sandbox stays.
func (t *Table) AddFor(ctx context.Context, container string, storages []*agentpb.Storage) error {
	for _, s := range storages {
		if err := t.add(ctx, s, container); err != nil {
			return errors.Join(err, t.Release(container))
		}
	}
	return nil
}

// add: container is empty for the sandbox's own. The lock is not held while a
// mount is made, which may wait for a device.
func (t *Table) add(ctx context.Context, s *agentpb.Storage, container string) error {
	if err := CheckPath(t.root, s.MountPoint); err != nil {
		return err
	}
	t.mu.Lock()
	e, there := t.mounts[s.MountPoint]
	switch {
	case there && container == "":
		t.mu.Unlock()
		return fmt.Errorf("%w: %s is mounted", ErrExists, s.MountPoint)
	case there && (e.storage.Driver != s.Driver || e.storage.Source != s.Source):
		t.mu.Unlock()
		return fmt.Errorf("%w: %s holds %s %q", ErrExists, s.MountPoint, e.storage.Driver, e.storage.Source)
	case there:
		e.users[container] = true
		t.mu.Unlock()
		select {
		case <-e.ready:
			return e.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e = &entry{storage: s, pinned: container == "" || s.ForSandbox, users: map[string]bool{}, ready: make(chan struct{})}
	if container != "" {
		e.users[container] = true
	}
	t.mounts[s.MountPoint] = e
	t.order = append(t.order, s.MountPoint)
	t.mu.Unlock()

	e.err = mountStorage(ctx, t.root, s)
	if e.err != nil {
		e.err = fmt.Errorf("mount %s storage on %s: %w", s.Driver, s.MountPoint, e.err)
		t.mu.Lock()
		t.drop(s.MountPoint)
		t.mu.Unlock()
	}
	close(e.ready)
	return e.err
}

// drop forgets a mount point. mu is held.
func (t *Table) drop(point string) {
	delete(t.mounts, point)
	for i, p := range t.order {
		if p == point {
			t.order = append(t.order[:i], t.order[i+1:]...)
			return
		}
	}
}

// Remove unmounts a storage of the sandbox that no container uses.
func (t *Table) Remove(point string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.mounts[point]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNotFound, point)
	}
	if len(e.users) > 0 {
		return fmt.Errorf("%w: %s, by %d containers", ErrInUse, point, len(e.users))
	}
	return t.unmount(point, 0)
}

// Release unmounts what only this container used.
func (t *Table) Release(container string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for i := len(t.order) - 1; i >= 0; i-- {
		point := t.order[i]
		e := t.mounts[point]
		if !e.users[container] {
			continue
		}
		delete(e.users, container)
		if len(e.users) == 0 && !e.pinned {
			// Lazily: what a dead container still held is let go of later.
			errs = append(errs, t.unmount(point, unix.MNT_DETACH))
		}
	}
	return errors.Join(errs...)
}

// Clear unmounts everything, or only what lies on a disk: that outlives the
// guest, and shall not look as if its guest had crashed.
func (t *Table) Clear(onlyDisks bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for i := len(t.order) - 1; i >= 0; i-- {
		if onlyDisks && !onDisk(t.mounts[t.order[i]].storage) {
			continue
		}
		errs = append(errs, t.unmount(t.order[i], unix.MNT_DETACH))
	}
	return errors.Join(errs...)
}

// unmount: mu is held.
func (t *Table) unmount(point string, flags int) error {
	if err := unmountStorage(t.root, t.mounts[point].storage, flags); err != nil {
		return fmt.Errorf("unmount %s: %w", point, err)
	}
	t.drop(point)
	return nil
}

// Mounted tells whether the table holds a mount point.
func (t *Table) Mounted(point string) (*agentpb.Storage, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.mounts[point]; ok {
		return e.storage, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrNotFound, point)
}
