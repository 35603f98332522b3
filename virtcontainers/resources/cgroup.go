package resources

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// Group is a host cgroup, as it is kept in the state. It is made without
// limits; memory never gets one on the host: the guest keeps to its own, and
// the host's would kill QEMU.
type Group struct {
	// Path is as ContainerPath answers it.
	Path string `json:"path"`
	// Systemd tells that systemd manages it (--systemd-cgroup).
	Systemd bool `json:"systemd,omitempty"`
	// Paths are its folders: by controller in cgroup v1, under "" in v2 (and in v1
	// for a v2 hierarchy beside it). Empty if the host allows none.
	Paths map[string]string `json:"paths,omitempty"`
	// Made are the folders that did not exist before, in the order of making.
	Made []string `json:"made,omitempty"`
	// Planned tells that it may not have been made, and that what is in it may
	// be another container's, which was faster.
	Planned bool `json:"planned,omitempty"`
}

// config is the group as the cgroups library wants it. SkipDevices in r keeps
// it out of v1's devices controller, in making and in setting.
func (g *Group) config(r *cgroups.Resources) (*cgroups.Cgroup, error) {
	c := &cgroups.Cgroup{Resources: r, Systemd: g.Systemd}
	if !g.Systemd {
		c.Path = g.Path
		return c, nil
	}
	var err error
	c.Parent, c.ScopePrefix, c.Name, err = systemdPath(g.Path)
	return c, err
}

// Create makes a group of which nothing was noted before.
func Create(path string, systemd bool, pids ...int) (g *Group, warnings []string, err error) {
	g = &Group{Path: path, Systemd: systemd}
	if warnings, err = g.Make(pids...); err != nil {
		return nil, nil, err
	}
	return g, warnings, nil
}

// Make makes the group if it is not there and places pids in it; systemd needs
// at least one. Engines look for a container's figures in the cgroup of its pid,
// the shim: so that is what goes in here. One that others use is refused, as by
// runc. warnings name what the host could not do. After an error nothing is left.
func (g *Group) Make(pids ...int) (warnings []string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cgroup %s: %w", g.Path, err)
		}
	}()
	if g.Systemd && len(pids) == 0 {
		return nil, errors.New("systemd makes none without a process")
	}
	m, err := g.manager()
	if err != nil {
		return nil, err
	}
	if err := g.unused(m, pids...); err != nil {
		return nil, err
	}
	first := -1 // makes the folders only
	if len(pids) > 0 {
		first = pids[0]
	}
	// Another sandbox's end may remove an empty parent in between: try again.
	for range 3 {
		g.plan(m)
		if err = m.Apply(first); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	// A scope that systemd refused to start may be another container's.
	started := g.Systemd && err == nil
	if err == nil {
		err = g.Place(pids...)
	}
	if err == nil {
		g.Planned = false
		return nil, nil
	}
	undo := errors.Join(evacuate(g.Made), g.removeMade())
	if started {
		undo = errors.Join(undo, m.Destroy())
	}
	if undo != nil {
		return nil, errors.Join(err, undo)
	}
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		g.Paths, g.Made, g.Planned = nil, nil, false
		return []string{fmt.Sprintf("cgroup %s cannot be made, its processes stay in the caller's: %v", g.Path, err)}, nil
	}
	return nil, err
}

// Plan answers the group at path (as ContainerPath answers it) for Make, with
// nothing made yet: keep it in the state before, so that a group is known by
// whoever cleans up after a kill in between. It refuses what Make would.
func Plan(path string, systemd bool) (*Group, error) {
	g := &Group{Path: path, Systemd: systemd, Planned: true}
	m, err := g.manager()
	if err == nil {
		err = g.unused(m)
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", path, err)
	}
	g.plan(m)
	return g, nil
}

func (g *Group) manager() (cgroups.Manager, error) {
	config, err := g.config(&cgroups.Resources{})
	if err != nil {
		return nil, err
	}
	if len(g.Paths) > 0 && !g.Systemd {
		// A relative path was relative to where this process was when it was planned.
		return manager.NewWithPaths(config, g.Paths)
	}
	m, err := manager.New(config)
	if cgroups.IsNotFound(err) {
		// The library insists on the devices controller, which we do not need.
		config.SkipDevices = true
		m, err = manager.New(config)
	}
	return m, err
}

// unused refuses a group in which processes are that its maker did not put there:
// the first of two containers with one group to go would take the other's
// processes along. One that the caller itself is in, it shares on purpose.
func (g *Group) unused(m cgroups.Manager, own ...int) error {
	found, err := living(slices.Collect(maps.Values(m.GetPaths())))
	if err != nil {
		return err
	}
	if !g.Systemd && slices.Contains(found, os.Getpid()) {
		return nil
	}
	return inUse(found, own)
}

// inUse is the error for processes that were found in a group and are not its own.
func inUse(found, own []int) error {
	found = slices.DeleteFunc(found, func(pid int) bool { return slices.Contains(own, pid) })
	if len(found) > 0 {
		return fmt.Errorf("container's cgroup is not empty: %d process(es) found, %d among them: give this container another id or linux.cgroupsPath, or delete the one that uses it", len(found), found[0])
	}
	return nil
}

// plan notes the folders that m will make, besides those noted before.
func (g *Group) plan(m cgroups.Manager) {
	g.Paths = m.GetPaths()
	if g.Systemd {
		return
	}
	for _, dir := range g.Paths {
		g.Made = append(g.Made, missing(dir)...)
	}
	slices.Sort(g.Made) // parents first
	g.Made = slices.Compact(g.Made)
}

// missing answers dir and those above it that do not exist.
func missing(dir string) []string {
	var found []string
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil {
			break
		}
		found = append(found, dir)
	}
	return found
}

// PlanSandbox is Plan for the cgroup of a sandbox's VM processes (QEMU,
// virtiofsd, proxy), where that is not Below the container's:
//   - for a CRI sandbox (pod), whose own container has the least CPU weight: in
//     /kata_overhead, where the pod's memory limit does not kill QEMU;
//   - with sandbox_cgroup_only: in the pod's cgroup, beside the container's.
//
// It answers nil for all others.
func (c Config) PlanSandbox(container *Group, sandboxID string, pod bool) (*Group, error) {
	path, err := c.sandboxPath(container.Path, sandboxID, container.Systemd, pod)
	if err != nil || path == "" {
		return nil, err
	}
	return Plan(path, container.Systemd)
}

// Below makes the cgroup for a sandbox's VM processes below the container's and
// places pids in it: what an engine reads there counts the VM, and the limits
// set there hold for it. It goes with the container's.
func (g *Group) Below(pids ...int) (*Group, error) {
	sub, err := g.below("kata")
	if err == nil {
		if err = sub.Place(pids...); err != nil {
			err = errors.Join(err, evacuate(sub.Made), sub.removeMade())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup for the VM below %s: %w", g.Path, err)
	}
	return sub, nil
}

// below makes a sub-group. In v2 no controller is enabled for it: the parent
// can go on holding processes itself, and accounts for those of both.
func (g *Group) below(name string) (_ *Group, err error) {
	sub := &Group{Path: g.Path + "/" + name, Paths: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, sub.removeMade())
		}
	}()
	for controller, dir := range g.Paths {
		dir = filepath.Join(dir, name)
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			sub.Made = append(sub.Made, dir)
		} else if !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		sub.Paths[controller] = dir
		if controller == "cpuset" {
			// Empty in a new v1 group, which takes no process then (cpusets(7)).
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				if err := inherit(dir, file); err != nil {
					return nil, err
				}
			}
		}
	}
	slices.Sort(sub.Made)
	return sub, nil
}

func inherit(dir, file string) error {
	text, err := cgroups.ReadFile(filepath.Dir(dir), file)
	if err != nil {
		return err
	}
	return cgroups.WriteFile(dir, file, strings.TrimSpace(text))
}

// Place moves processes into the group, with all their threads and descendants
// (virtiofsd serves in a child).
func (g *Group) Place(pids ...int) error {
	for _, pid := range pids {
		for _, dir := range g.Paths {
			if err := cgroups.WriteCgroupProc(dir, pid); err != nil {
				return fmt.Errorf("process %d into cgroup %s: %w", pid, dir, err)
			}
		}
		// From now on its new children are born here; these are older.
		for _, child := range children(pid) {
			err := g.Place(child)
			if h, gone := proc.Of(child); err != nil && gone == nil && h.Alive() {
				return err
			}
		}
	}
	return nil
}

// children answers a process's children; none if it has ended.
func children(pid int) []int {
	var found []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}
