package resources

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// Remove removes what was made for the group; idempotent. With kill it ends the
// processes that are still inside, else they are an error. Remove a sandbox's
// group before its container's.
//
// One that is only planned and in use is another container's, and stays: end
// the processes that this one may have had there before.
func (g *Group) Remove(ctx context.Context, kill bool) error {
	if g.Planned {
		if pids, err := g.Inside(); err == nil && len(pids) > 0 {
			return nil
		}
	}
	if err := g.empty(ctx, kill); err != nil {
		return fmt.Errorf("remove cgroup %s: %w", g.Path, err)
	}
	var err error
	if g.Systemd {
		err = g.stopUnit()
	} else {
		err = g.removeMade()
	}
	if err != nil {
		return fmt.Errorf("remove cgroup %s: %w", g.Path, err)
	}
	return nil
}

// empty sees to it that no process is in the folders that will be removed.
func (g *Group) empty(ctx context.Context, kill bool) error {
	for {
		pids, err := g.Inside()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		if !kill {
			return fmt.Errorf("processes %v still run in it", pids)
		}
		for _, pid := range pids {
			h, err := proc.Of(pid)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err == nil {
				err = h.Kill(ctx)
			}
			if err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("processes %v do not end: %w", pids, err)
		}
	}
}

// Inside answers the processes in the group's folders and below, zombies left
// out: those do not keep a cgroup.
func (g *Group) Inside() ([]int, error) {
	var dirs []string
	for _, dir := range g.Paths {
		if g.Systemd || slices.Contains(g.Made, dir) {
			dirs = append(dirs, dir)
		}
	}
	return living(dirs)
}

// living answers the processes in folders and below, zombies left out.
func living(dirs []string) ([]int, error) {
	var found []int
	for _, dir := range dirs {
		pids, err := cgroups.GetAllPids(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
			return nil, err
		}
		for _, pid := range pids {
			if h, err := proc.Of(pid); err == nil && h.Alive() {
				found = append(found, pid)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// removeMade removes the folders that were made; those above the group only if
// nobody else has come to use them.
func (g *Group) removeMade() error {
	var errs []error
	remove := g.Made
	if top := filepath.Dir(g.Path); top == defaultTop || top == overheadTop {
		// Ours, whichever of our groups was the first there.
		for _, dir := range g.Paths {
			remove = append(slices.Clone(remove), filepath.Dir(dir))
		}
		slices.Sort(remove)
		remove = slices.Compact(remove)
	}
	for _, dir := range slices.Backward(remove) {
		var err error
		if g.own(dir) {
			err = cgroups.RemovePath(dir)
		} else {
			err = unix.Rmdir(dir)
			// Who may not remove one has not made it (rootless).
			if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, os.ErrPermission) {
				err = nil
			}
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

// own tells whether a folder is the group's own, not one above it.
func (g *Group) own(dir string) bool {
	for _, path := range g.Paths {
		if path == dir {
			return true
		}
	}
	return false
}

// stopUnit lets systemd remove the group.
func (g *Group) stopUnit() error {
	config, err := g.config(&cgroups.Resources{})
	if err != nil {
		return err
	}
	m, err := manager.NewWithPaths(config, g.Paths)
	if err != nil {
		return err
	}
	return m.Destroy()
}

// evacuate moves processes out of folders that are about to be removed, to
// where the first folder that stays is above them.
func evacuate(made []string) error {
	var errs []error
	for _, dir := range slices.Backward(made) {
		up := filepath.Dir(dir)
		for slices.Contains(made, up) {
			up = filepath.Dir(up)
		}
		pids, err := cgroups.GetPids(dir)
		if err != nil {
			continue // not made
		}
		for _, pid := range pids {
			if err := cgroups.WriteCgroupProc(up, pid); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
