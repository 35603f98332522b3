package sandbox

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/internal/view"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// shmPath is the sandbox's shared memory folder in the guest.
const shmPath = "/run/kata-containers/sandbox/shm"

// shareContainer puts a container's root file system and volumes into the
// shared folder and answers the spec as the guest shall see it.
func (h *Host) shareContainer(dir *state.Dir, c *Container, bundle *oci.Bundle, role oci.Role) ([]byte, error) {
	folder, err := share.Open(sharedPath(dir))
	if err != nil {
		return nil, err
	}
	if bundle.Spec.Root.Readonly {
		if err := makeMountPoints(bundle.Rootfs, bundle.Spec.Mounts); err != nil {
			return nil, err
		}
	}
	plan := oci.GuestPlan{Sources: map[int]string{}, Flags: map[int][]string{}, Below: map[int][]oci.Below{}, BelowMark: wire.BelowOption, ShmSize: map[int]uint64{}, ShmPath: shmPath,
		Bundle: bundle.Path, BundleMark: wire.BundleAnnotation}
	if plan.Root, err = folder.AddRootfs(c.Place, bundle.Rootfs, bundle.Spec.Root.Readonly); err != nil {
		return nil, err
	}
	var list sharings
	defer func() { list.close() }()
	for i, m := range bundle.Spec.Mounts {
		if path := c.emptyDirAt(i); path != "" {
			plan.Sources[i] = path
			continue
		}
		switch oci.KindOf(m) {
		case oci.Shared:
			if point := c.volumeAt(i); point != "" {
				plan.Sources[i] = point
				break
			}
			if slices.Contains(m.Options, "shared") || slices.Contains(m.Options, "rshared") {
				h.log.Warn("mounts of the guest do not propagate to the host: shared becomes slave", "id", c.ID, "destination", m.Destination)
			}
			err = h.planVolume(&list, folder, c, i, m, plan)
		case oci.Overlay:
			o := share.MountOptions{ReadOnly: volumeOptions(m.Options).ReadOnly}
			plan.Sources[i], err = folder.AddOverlay(c.Place, i, oci.OverlayData(m), o)
		case oci.Shm:
			if ownShm(bundle.Spec, role) {
				plan.ShmSize[i], err = shmSize(m.Source)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("mounts[%d] (%s): %w", i, m.Destination, err)
		}
	}
	if err := shareOnce(h.log, dir, folder, c, list, plan); err != nil {
		return nil, err
	}
	spec := *bundle.Spec
	if h.settings.DisableGuestSeccomp && spec.Linux.Seccomp != nil {
		h.log.Warn("the seccomp profile is left out", "id", c.ID, "key", "disable_guest_seccomp")
		linux := *spec.Linux
		linux.Seccomp = nil
		spec.Linux = &linux
	}
	return oci.GuestSpec(&spec, plan)
}

// stageOf is what engines see that join the namespaces of the container's pid.
// A direct-assigned volume, and what is in one of memory, is nowhere on the host.
func stageOf(bundle *oci.Bundle, c *Container) *view.View {
	stage := &view.View{Root: bundle.Rootfs, ReadOnly: bundle.Spec.Root.Readonly}
	for i, m := range bundle.Spec.Mounts {
		if oci.KindOf(m) == oci.Shared && c.volumeAt(i) == "" && c.emptyDirAt(i) == "" {
			o := volumeOptions(m.Options)
			stage.Volumes = append(stage.Volumes, view.Volume{
				Source: m.Source, Path: m.Destination, ReadOnly: o.ReadOnly, Recursive: o.recursiveReadOnly || o.Slave, Alone: o.alone && !o.Slave,
			})
		}
	}
	return stage
}

// optionsOfVolume are those of a spec's mount that count on the host.
type optionsOfVolume struct {
	share.MountOptions
	// recursiveReadOnly: what is mounted below is read-only, too.
	recursiveReadOnly bool
	// alone: nothing that is mounted below comes along ("bind", not "rbind").
	alone bool
}

func volumeOptions(options []string) optionsOfVolume {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(options, name) })
	}
	return optionsOfVolume{
		MountOptions:      share.MountOptions{ReadOnly: has("ro", "rro"), Slave: has("slave", "rslave", "shared", "rshared")},
		recursiveReadOnly: has("rro"),
		alone:             has("bind") && !has("rbind"),
	}
}

// ownShm tells whether a container has a /dev/shm of its own, which goes with its
// ipc namespace: one that is first in its VM has the guest's, which others may join
// ("--ipc container:X"), unless it has a user namespace (see the agent's namespaces).
func ownShm(spec *specs.Spec, role oci.Role) bool {
	switch role {
	case oci.Single:
		return slices.ContainsFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.UserNamespace })
	case oci.Member:
		return oci.OwnIPC(spec)
	}
	return false
}

// shmSize is the size in bytes of the tmpfs that the engine made for
// /dev/shm: it knows what the user asked for (--shm-size).
func shmSize(source string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(source, &st); err != nil {
		return 0, fmt.Errorf("%s: %w", source, err)
	}
	if st.Type != unix.TMPFS_MAGIC {
		return 64 << 20, nil // a plain folder has no size: Docker's default
	}
	return st.Blocks * uint64(st.Bsize), nil
}
