package container

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Guest is what a container's document is fitted to.
type Guest struct {
	// CgroupRoot is where cgroup v2 is mounted, CgroupParent the folder below
	// it ("/kata") that holds the containers' groups.
	CgroupRoot, CgroupParent string
	// SharedPID is the sandbox's pid namespace, a path in /proc, if the
	// container is to join it; else empty.
	SharedPID string
	// Joins: it is not the sandbox's first container. An ipc or uts namespace for
	// which it names no path is its own.
	Joins bool
	// HookDir holds the guest's own hooks, by stage; empty for none.
	HookDir string
}

// rewrite makes out of the engine's document what can be run in this guest. It
// answers the network sysctls, which it takes out: they are the whole guest's,
// because its network namespace is.
//
// Whatever the guest has no use for is dropped only where dropping it changes
// nothing for the process (cgroup path, labels of security modules that the
// guest's kernel does not have), and logged. The rest is left to libcontainer,
// which refuses by name what it cannot do.
func (g Guest) rewrite(log *slog.Logger, id string, spec *specs.Spec) (sysctls map[string]string, err error) {
	switch {
	case spec.Process == nil:
		return nil, errors.New("process is missing")
	case len(spec.Process.Args) == 0:
		return nil, errors.New("process.args is empty")
	case spec.Root == nil || !filepath.IsAbs(spec.Root.Path):
		return nil, errors.New("root.path is not an absolute path")
	case spec.Windows != nil || spec.Solaris != nil || spec.VM != nil || spec.ZOS != nil || spec.FreeBSD != nil:
		return nil, errors.New("the document is for another operating system")
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	spec.Linux.CgroupsPath = g.CgroupParent + "/" + id
	g.namespaces(spec)
	sysctls = takeNetSysctls(spec.Linux)
	dropLabels(log, id, spec)
	dropVanished(log, id, spec)
	dropBindData(log, id, spec.Mounts)
	if err := checkOwn(spec.Mounts); err != nil {
		return nil, err
	}
	for i := range spec.Linux.Devices {
		// A FIFO has no numbers, whatever the document says.
		if d := &spec.Linux.Devices[i]; d.Type == "p" {
			d.Major, d.Minor = 0, 0
		}
	}
	if err := g.hooks(spec); err != nil {
		return nil, err
	}
	// The agent's own is -1000, and would be inherited.
	if spec.Process.OOMScoreAdj == nil {
		spec.Process.OOMScoreAdj = new(int)
	}
	g.resources(log, id, spec.Linux.Resources)
	return sysctls, nil
}

// namespaces fits the list to a guest that belongs to one sandbox: network,
// ipc and uts are the guest's own and so shared by the sandbox's containers,
// unless one that joins wants its own ipc or uts.
// The last two are joined rather than left out, because libcontainer sets a
// host name or a sysctl only with such a namespace. A container with its own
// user namespace could not change what the guest's owns, and gets new ones.
func (g Guest) namespaces(spec *specs.Spec) {
	list := spec.Linux.Namespaces
	has := func(t specs.LinuxNamespaceType) bool {
		return slices.ContainsFunc(list, func(n specs.LinuxNamespace) bool { return n.Type == t })
	}
	own := has(specs.UserNamespace)
	var out []specs.LinuxNamespace
	for _, ns := range list {
		switch ns.Type {
		case specs.NetworkNamespace:
			continue
		case specs.IPCNamespace, specs.UTSNamespace:
			theirs := !g.Joins || ns.Path != ""
			ns.Path = ""
			if theirs && !own {
				ns.Path = "/proc/1/ns/" + map[specs.LinuxNamespaceType]string{
					specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts"}[ns.Type]
			}
		case specs.PIDNamespace:
			ns.Path = g.SharedPID
		default:
			// A path names a namespace of the host.
			ns.Path = ""
		}
		out = append(out, ns)
	}
	if g.SharedPID != "" && !has(specs.PIDNamespace) {
		out = append(out, specs.LinuxNamespace{Type: specs.PIDNamespace, Path: g.SharedPID})
	}
	// Without one the container's mounts would be the guest's.
	if !has(specs.MountNamespace) {
		out = append(out, specs.LinuxNamespace{Type: specs.MountNamespace})
	}
	// On cgroup v1, engines list none, as its view is limited by the mount. The
	// guest has v2, where without one a container sees the groups of all.
	if !has(specs.CgroupNamespace) {
		out = append(out, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	spec.Linux.Namespaces = out
	if !has(specs.UTSNamespace) {
		spec.Hostname, spec.Domainname = "", ""
	}
	if own {
		// A new sysfs can be mounted only by the owner of the network
		// namespace, which is the guest.
		for i, m := range spec.Mounts {
			if m.Type == "sysfs" {
				spec.Mounts[i] = specs.Mount{Destination: m.Destination, Type: "bind", Source: "/sys",
					Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}}
			}
		}
	}
}

func takeNetSysctls(linux *specs.Linux) map[string]string {
	taken := map[string]string{}
	for key, value := range linux.Sysctl {
		if strings.HasPrefix(key, "net.") || strings.HasPrefix(key, "net/") {
			taken[key] = value
			delete(linux.Sysctl, key)
		}
	}
	return taken
}

// dropLabels takes out labels of security modules that a guest kernel has not.
func dropLabels(log *slog.Logger, id string, spec *specs.Spec) {
	dropProcessLabels(log, id, spec.Process)
	if spec.Linux.MountLabel != "" {
		log.Warn("SELinux mount label ignored: the guest has no SELinux", "container", id)
		spec.Linux.MountLabel = ""
	}
}

// dropBindData takes the options of a file system out of bind mounts: mount(2)
// ignores them there, and so did runc before 1.2; libcontainer refuses them.
func dropBindData(log *slog.Logger, id string, mounts []specs.Mount) {
	known := specconv.KnownMountOptions()
	for i, m := range mounts {
		if m.Type != "bind" && !slices.Contains(m.Options, "bind") && !slices.Contains(m.Options, "rbind") {
			continue
		}
		mounts[i].Options = slices.DeleteFunc(slices.Clone(m.Options), func(option string) bool {
			if slices.Contains(known, option) {
				return false
			}
			log.Warn("option of a bind mount ignored: a bind mount has none of a file system's", "container", id, "mount", m.Destination, "option", option)
			return true
		})
	}
}

func dropProcessLabels(log *slog.Logger, id string, p *specs.Process) {
	if p.SelinuxLabel != "" {
		log.Warn("SELinux label ignored: the guest has no SELinux", "container", id)
		p.SelinuxLabel = ""
	}
	if p.ApparmorProfile != "" {
		log.Warn("AppArmor profile ignored: the guest has no AppArmor", "container", id)
		p.ApparmorProfile = ""
	}
}

// hooks leaves those that run in the guest: of the document's, createContainer
// and startContainer; of the guest image's own, all three stages.
func (g Guest) hooks(spec *specs.Spec) error {
	hooks := &specs.Hooks{}
	if spec.Hooks != nil {
		hooks.CreateContainer, hooks.StartContainer = spec.Hooks.CreateContainer, spec.Hooks.StartContainer
	}
	if g.HookDir != "" {
		for stage, list := range map[string]*[]specs.Hook{
			"prestart": &hooks.CreateRuntime, "poststart": &hooks.Poststart, "poststop": &hooks.Poststop,
		} {
			found, err := guestHooks(filepath.Join(g.HookDir, stage))
			if err != nil {
				return err
			}
			*list = found
		}
	}
	spec.Hooks = hooks
	return nil
}

// guestHooks answers the programs in a folder, by name; none if it is missing.
func guestHooks(dir string) ([]specs.Hook, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("guest hooks: %w", err)
	}
	var hooks []specs.Hook
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("guest hooks: %w", err)
		}
		if info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			path := filepath.Join(dir, e.Name())
			hooks = append(hooks, specs.Hook{Path: path, Args: []string{path}})
		}
	}
	return hooks, nil
}

// resources drops limits that mean the host's hardware.
func (g Guest) resources(log *slog.Logger, id string, r *specs.LinuxResources) {
	if r == nil {
		return
	}
	if r.CPU != nil && (r.CPU.Cpus != "" || r.CPU.Mems != "") {
		// They number the host's CPUs, of which the guest has other ones.
		log.Debug("cpuset ignored: it is applied on the host", "container", id)
		r.CPU.Cpus, r.CPU.Mems = "", ""
	}
	if r.Memory != nil && r.Memory.Swap != nil {
		// A kernel without swap has no such file, and engines ask for a limit
		// together with any limit of memory.
		if _, err := os.Stat(g.CgroupRoot + g.CgroupParent + "/memory.swap.max"); err != nil {
			r.Memory.Swap = nil
		}
	}
	if r.BlockIO != nil {
		// It names the host's disks by number; the VM's reads and writes of them
		// count in the container's cgroup on the host.
		log.Debug("block I/O limits ignored: they are applied on the host", "container", id)
		r.BlockIO = nil
	}
	if r.Network != nil {
		log.Debug("network classes ignored: cgroup v2 has none", "container", id)
		r.Network = nil
	}
}
