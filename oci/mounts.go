package oci

import (
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// MountKind says where a mount of the spec comes from.
type MountKind int

const (
	// InGuest is a file system of the guest's kernel: proc, sysfs, tmpfs, ...
	InGuest MountKind = iota
	// Shared is a bind mount of a host path: it comes through the shared folder.
	Shared
	// Shm is a host's /dev/shm: the guest makes one of its own, of the same size.
	Shm
	// KernelView is a bind mount of the host's /proc, /sys, /dev, cgroups, or of a
	// device that each kernel has by itself: the guest's own is mounted, since the
	// host's must not be seen.
	KernelView
	// Overlay is an overlay of folders of the host, mounted there: it comes through
	// the shared folder.
	Overlay
)

// kernelNodes are the devices that a kernel has without any hardware. Engines and
// users bind them to hide a file (/dev/null) or to use the kernel itself.
var kernelNodes = []string{
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/fuse", "/dev/net/tun",
}

// KindOf sorts a mount of the spec.
func KindOf(m specs.Mount) MountKind {
	if !isBind(m) {
		if m.Type == "overlay" {
			return Overlay
		}
		return InGuest
	}
	source := path.Clean(m.Source)
	switch {
	case path.Clean(m.Destination) == "/dev/shm":
		return Shm
	case within(source, "/proc"), within(source, "/sys"), source == "/dev", within(source, "/dev/pts"), slices.Contains(kernelNodes, source):
		return KernelView
	}
	return Shared
}

func isBind(m specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}
