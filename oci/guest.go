package oci

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// GuestPlan says how paths of the host are called in the guest.
type GuestPlan struct {
	// Root is the root file system's path in the guest.
	Root string
	// Sources holds the guest path of each Shared or Overlay mount, by its index in
	// the spec's mounts, and of a Shm one that is a volume.
	Sources map[int]string
	// Flags are what the host's mount that a Shared one is made from forbids: some
	// of nosuid, nodev, noexec.
	Flags map[int][]string
	// Bundle is the bundle's folder on the host, and BundleMark the annotation that
	// tells the guest of it if a hook is to run there: hooks get to know it.
	Bundle, BundleMark string
	// Below holds what is mounted below the source of a Shared mount.
	Below map[int][]Below
	// BelowMark is an option that these get, and no other mount keeps.
	BelowMark string
	// ShmSize is the size of a container's own /dev/shm in bytes, by mount index.
	ShmSize map[int]uint64
	// ShmPath is the sandbox's shm in the guest, for mounts that ShmSize does not name.
	ShmPath string
}

// Below is a mount below the source of another. It keeps its own options: those
// of the mount above it hold for it if they are recursive ("rro", not "ro").
type Below struct {
	// Path is its place in the mount above it, relative.
	Path string
	// Source is its path in the guest.
	Source string
	// Flags are what its mount on the host forbids.
	Flags []string
}

// GuestSpec answers the spec as the guest shall see it, as JSON. The spec
// given is not changed. What only the host can do (host hooks, the network
// namespace, cgroup path) is left out.
func GuestSpec(spec *specs.Spec, plan GuestPlan) ([]byte, error) {
	guest := *spec
	root := *spec.Root
	root.Path = plan.Root
	guest.Root = &root
	if guest.Hooks = guestHooks(spec.Hooks); guest.Hooks != nil && plan.BundleMark != "" {
		guest.Annotations = map[string]string{plan.BundleMark: plan.Bundle}
		for key, value := range spec.Annotations {
			if key != plan.BundleMark {
				guest.Annotations[key] = value
			}
		}
	}

	linux := *spec.Linux
	linux.CgroupsPath = ""
	linux.Namespaces = nil
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type == specs.NetworkNamespace {
			continue // the guest's own network is the container's
		}
		ns.Path = guestPath(ns)
		linux.Namespaces = append(linux.Namespaces, ns)
	}
	linux.Devices = guestDevices(spec)
	guest.Linux = &linux

	guest.Mounts = make([]specs.Mount, 0, len(spec.Mounts))
	for i, m := range spec.Mounts {
		mount, err := guestMount(i, m, plan)
		if err != nil {
			return nil, err
		}
		guest.Mounts = append(guest.Mounts, mount)
		for _, b := range plan.Below[i] {
			options := append(append(belowOptions(m.Options), b.Flags...), plan.BelowMark)
			guest.Mounts = append(guest.Mounts, specs.Mount{
				Destination: path.Join(m.Destination, b.Path), Type: "bind", Source: b.Source, Options: options,
			})
		}
	}
	return json.Marshal(&guest)
}

// guestPath is where the guest has a namespace that the spec names by a path of the
// host's: an ipc or uts namespace that others made is that of the guest itself. Of
// the other types it has none of the host's.
func guestPath(ns specs.LinuxNamespace) string {
	switch {
	case ns.Path == "":
	case ns.Type == specs.IPCNamespace:
		return "/proc/1/ns/ipc"
	case ns.Type == specs.UTSNamespace:
		return "/proc/1/ns/uts"
	}
	return ""
}

func guestMount(i int, m specs.Mount, plan GuestPlan) (specs.Mount, error) {
	switch KindOf(m) {
	case Shared:
		// Ours to say, not the engine's.
		m.Options = slices.DeleteFunc(slices.Clone(m.Options), func(o string) bool { return o == plan.BelowMark })
		source, ok := plan.Sources[i]
		if !ok {
			return m, fmt.Errorf("mounts[%d] (%s): no guest path is planned for %s", i, m.Destination, m.Source)
		}
		m.Source = source
		m.Type = "bind"
		m.Options = append(m.Options, inherited(m.Options, plan.Flags[i])...)
	case Shm:
		if source, ok := plan.Sources[i]; ok {
			m.Type, m.Source = "bind", source
		} else if size, ok := plan.ShmSize[i]; ok {
			m.Type, m.Source = "tmpfs", "shm"
			m.Options = []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", size)}
		} else {
			m.Type, m.Source = "bind", plan.ShmPath
			m.Options = []string{"rbind"}
		}
	case Overlay:
		source, ok := plan.Sources[i]
		if !ok {
			return m, fmt.Errorf("mounts[%d] (%s): no guest path is planned for the overlay", i, m.Destination)
		}
		m.Type, m.Source = "bind", source
		// What makes the overlay is the host's, and names its paths.
		flags, _ := overlayOptions(m.Options)
		m.Options = append([]string{"bind"}, flags...)
	case KernelView:
		m = kernelView(m)
	}
	return m, nil
}

// setting are the options for which runc mounts a bind again, with the flags
// among them and no other.
var setting = []string{
	"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "strictatime", "nosymfollow",
	"sync", "dirsync", "mand", "iversion", "lazytime", "silent",
}

// inherited answers which flags of its source's mount a bind has with runc: all,
// unless an option sets one; then those of the options are all it has. Each that
// an option lifts ("exec") is left out: runc before 1.2 did not heed these alone,
// later ones lift all flags with them.
func inherited(options, flags []string) []string {
	if slices.ContainsFunc(options, func(o string) bool { return slices.Contains(setting, o) }) {
		return nil
	}
	var left []string
	for _, f := range flags {
		if !slices.Contains(options, strings.TrimPrefix(f, "no")) {
			left = append(left, f)
		}
	}
	return left
}

// handedDown are the options of a mount that hold for those below it: the
// recursive ones, and propagation (runtime-spec, config.md, "Linux mount
// options").
var handedDown = []string{
	"rro", "rrw", "rnosuid", "rsuid", "rnodev", "rdev", "rnoexec", "rexec",
	"rnoatime", "ratime", "rnodiratime", "rdiratime", "rrelatime", "rnorelatime", "rstrictatime", "rnostrictatime",
	"rnosymfollow", "rsymfollow", "private", "rprivate", "unbindable", "runbindable",
}

func belowOptions(options []string) []string {
	down := []string{"bind"}
	for _, o := range options {
		if slices.Contains(handedDown, o) {
			down = append(down, o)
		}
	}
	return down
}

// kernelView replaces a bind of the host's kernel file systems by the guest's
// own: a bind inside the guest of the same path.
func kernelView(m specs.Mount) specs.Mount {
	m.Type = "bind"
	m.Source = path.Clean(m.Source)
	return m
}

// guestHooks keeps the one stage whose program is looked up in the container
// (runtime-spec, config.md, "POSIX-platform Hooks").
func guestHooks(hooks *specs.Hooks) *specs.Hooks {
	if hooks == nil || len(hooks.StartContainer) == 0 {
		return nil
	}
	return &specs.Hooks{StartContainer: hooks.StartContainer}
}
