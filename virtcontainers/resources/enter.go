package resources

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/cgroups"
)

// Enter makes a planned group and moves this process into it, so that the memory
// is the group's that the process takes from then on for a VM, and what those
// take that it starts, or has Charged: charges stay where a page was first
// touched, also when a process moves. In cgroup v1 only the memory's hierarchy is
// entered.
//
// leave brings the process back, and is nil if it did not enter: where it is in
// the group already, where the host makes no group (warnings say so), where the
// way back is not known, where the cgroup that it would leave would become empty
// (systemd ends such a scope), and where systemd manages cgroups of v1. The group
// is still planned then, if it was not made. After an error the process is where
// it was.
func (g *Group) Enter() (leave func() error, warnings []string, err error) {
	controller, own, ok := g.entrance()
	if !ok {
		return nil, nil, nil
	}
	self := os.Getpid()
	var first []int
	if g.Systemd {
		first = []int{self}
	}
	if warnings, err = g.Make(first...); err != nil || g.Paths[controller] == "" {
		return nil, warnings, err
	}
	leave = func() error {
		if err := cgroups.WriteCgroupProc(own, self); err != nil {
			return fmt.Errorf("leave cgroup %s: %w", g.Path, err)
		}
		return nil
	}
	if !g.Systemd {
		err = cgroups.WriteCgroupProc(g.Paths[controller], self)
		if err == nil {
			err = g.alone(self)
		}
	}
	if err != nil {
		g.Planned = true // another's processes may be in it
		return nil, nil, errors.Join(fmt.Errorf("enter cgroup %s: %w", g.Path, err), leave())
	}
	return leave, nil, nil
}

// Charge moves a process that this one has started since it began to Enter, so
// that the memory that it touches from now on counts for the group; a process
// that is in it already stays.
func (g *Group) Charge(pid int) error {
	if err := cgroups.WriteCgroupProc(g.Paths[accountant()], pid); err != nil {
		return fmt.Errorf("process %d into cgroup %s: %w", pid, g.Path, err)
	}
	return nil
}

// entrance answers which hierarchy this process has to enter to have its memory
// counted for the group, and the folder in which it is there now.
func (g *Group) entrance() (controller, own string, ok bool) {
	unified := cgroups.IsCgroup2UnifiedMode()
	controller = accountant()
	dir, planned := g.Paths[controller]
	if !planned || g.Systemd && !unified {
		return "", "", false
	}
	var err error
	if unified {
		own, err = unifiedPath()
	} else {
		own, err = cgroups.GetOwnCgroupPath(controller)
	}
	if err != nil || own == dir {
		return "", "", false
	}
	inside, err := cgroups.GetPids(own)
	if err != nil || !slices.Contains(inside, os.Getpid()) || unified && len(inside) == 1 {
		return "", "", false
	}
	return controller, own, true
}

// accountant is the controller, as in Group.Paths, that counts memory.
func accountant() string {
	if cgroups.IsCgroup2UnifiedMode() {
		return ""
	}
	return "memory"
}

// unifiedPath is the folder of this process's cgroup of version 2.
func unifiedPath() (string, error) {
	groups, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	return filepath.Join("/sys/fs/cgroup", groups[""]), nil
}

// alone refuses a group into which another has come since Make: of two that
// enter, at least one sees the other. What this process starts is born in it.
func (g *Group) alone(self int) error {
	found, err := living(slices.Collect(maps.Values(g.Paths)))
	if err != nil {
		return err
	}
	return inUse(found, family(self))
}

// family answers a process and its descendants.
func family(pid int) []int {
	found := []int{pid}
	for _, child := range children(pid) {
		found = append(found, family(child)...)
	}
	return found
}
