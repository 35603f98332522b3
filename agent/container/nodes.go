package container

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// nodeRoot is where nodes can be made that can be opened, too: the guest's /dev
// is not mounted nodev, unlike all else of the guest's.
const nodeRoot = "/dev"

// bindNodes makes the devices of a container that has a user namespace, where
// libcontainer cannot: it binds what the guest has by the same path instead, which
// is another device or none. They are made in a folder below root, as bind mounts
// of the document, and belong to whom the mappings say. The folder, "" for none, is
// not needed any more when the container has them mounted.
func bindNodes(root string, spec *specs.Spec) (dir string, err error) {
	own := slices.ContainsFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
	// With all of the guest's /dev nothing is made in it (libcontainer, needsSetupDev).
	all := slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool {
		return filepath.Clean(m.Destination) == "/dev" && (m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind"))
	})
	if !own || all {
		return "", nil
	}
	defer func() {
		if err != nil && dir != "" {
			os.RemoveAll(dir)
		}
	}()
	var left []specs.LinuxDevice
	for i, d := range spec.Linux.Devices {
		if sameNode(d) {
			left = append(left, d)
			continue
		}
		if dir == "" {
			if dir, err = os.MkdirTemp(root, ".kata-nodes-"); err != nil {
				return "", err
			}
		}
		node := filepath.Join(dir, strconv.Itoa(i))
		if err := makeNode(node, d, spec.Linux); err != nil {
			return dir, fmt.Errorf("device %s: %w", d.Path, err)
		}
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: d.Path, Type: "bind", Source: node, Options: []string{"bind"}})
	}
	spec.Linux.Devices = left
	return dir, nil
}

// kinds are the types of the runtime-spec (config-linux.md, "Devices").
var kinds = map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}

// sameNode tells whether the guest has the device by the same path.
func sameNode(d specs.LinuxDevice) bool {
	var st unix.Stat_t
	return unix.Stat(d.Path, &st) == nil && st.Mode&unix.S_IFMT == kinds[d.Type] &&
		int64(unix.Major(uint64(st.Rdev))) == d.Major && int64(unix.Minor(uint64(st.Rdev))) == d.Minor
}

func makeNode(path string, d specs.LinuxDevice, linux *specs.Linux) error {
	kind, ok := kinds[d.Type]
	if !ok {
		return fmt.Errorf("%w: type %q", ErrInvalid, d.Type)
	}
	mode := uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(d.FileMode.Perm())
	}
	if err := unix.Mknod(path, kind|mode, int(unix.Mkdev(uint32(d.Major), uint32(d.Minor)))); err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	if err := unix.Chmod(path, mode); err != nil { // the umask
		return fmt.Errorf("chmod: %w", err)
	}
	uid, gid := mapped(linux.UIDMappings, d.UID), mapped(linux.GIDMappings, d.GID)
	if err := unix.Lchown(path, uid, gid); err != nil {
		return fmt.Errorf("chown: %w", err)
	}
	return nil
}

// mapped answers the guest's id for one of the container's (nil is 0); -1, for
// which chown(2) changes nothing, where there is none.
func mapped(mappings []specs.LinuxIDMapping, id *uint32) int {
	var inside uint32
	if id != nil {
		inside = *id
	}
	for _, m := range mappings {
		if inside >= m.ContainerID && inside-m.ContainerID < m.Size {
			return int(m.HostID + inside - m.ContainerID)
		}
	}
	return -1
}
