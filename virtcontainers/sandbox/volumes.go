package sandbox

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
	"github.com/kata-go/kata-runtime/virtcontainers/volume"
)

// Volume is a direct-assigned volume that a container mounts: its disk is the
// VM's, and the guest mounts it.
type Volume struct {
	Disk
	// Path is the mount's source, which names the volume.
	Path string `json:"path"`
	// Mount is the mount's place in the spec.
	Mount   int      `json:"mount"`
	FSType  string   `json:"fstype"`
	Options []string `json:"options,omitempty"`
	FSGroup uint32   `json:"fs_group,omitempty"`
	// Leaving: its container is being removed, and counts no more among those that
	// have the volume.
	Leaving bool `json:"leaving,omitempty"`
}

// volumes is where storage drivers assign them.
func volumes() volume.Store { return volume.Open(volume.Root) }

// mountPoint is where the guest mounts the volume. The host chooses it.
func (v Volume) mountPoint() string { return "/run/kata-containers/volumes/" + v.ID }

func (v Volume) storage() *agentpb.Storage {
	return &agentpb.Storage{
		Driver: "blk", Source: "serial=" + v.ID, Fstype: v.FSType, Options: v.Options,
		MountPoint: v.mountPoint(), FsGroup: v.FSGroup,
	}
}

// storages is how the agent gets to know a container's volumes.
func (c *Container) storages() []*agentpb.Storage {
	var all []*agentpb.Storage
	for _, v := range c.Volumes {
		all = append(all, v.storage())
	}
	for _, s := range c.Shares {
		if storage := s.storage(); storage != nil {
			all = append(all, storage)
		}
	}
	for _, e := range c.EmptyDirs {
		all = append(all, e.storages(c.ID)...)
	}
	return all
}

// volumesOf answers the direct-assigned volumes among a spec's mounts. Mounts of
// one volume have one disk.
func volumesOf(spec *specs.Spec) ([]Volume, error) {
	var list []Volume
	for at, m := range spec.Mounts {
		if oci.KindOf(m) != oci.Shared {
			continue
		}
		info, err := volumes().Find(m.Source)
		if err != nil {
			return nil, fmt.Errorf("mounts[%d] (%s): %w", at, m.Destination, err)
		}
		if info == nil {
			continue
		}
		if err := info.CheckDevice(); err != nil {
			return nil, fmt.Errorf("mounts[%d] (%s): direct volume %s: %w", at, m.Destination, m.Source, err)
		}
		group, err := info.Group()
		if err != nil {
			return nil, err
		}
		random, err := newExecID()
		if err != nil {
			return nil, err
		}
		v := Volume{
			Disk: Disk{ID: "v" + random[:12], HostPath: info.Device, ReadOnly: info.ReadOnly()},
			Path: filepath.Clean(m.Source), Mount: at, FSType: info.FSType, Options: info.Options, FSGroup: group,
		}
		if had := findVolume(list, v.Path); had != nil {
			v.Disk = had.Disk
		}
		list = append(list, v)
	}
	return list, nil
}

// volumeAt answers the guest's path of the volume that is the spec's mount with
// this number; empty if it is none.
func (c *Container) volumeAt(mount int) string {
	for _, v := range c.Volumes {
		if v.Mount == mount {
			return v.mountPoint()
		}
	}
	return ""
}

// findVolume answers the volume at path, unless it is leaving.
func findVolume(list []Volume, path string) *Volume {
	for i := range list {
		if list[i].Path == path && !list[i].Leaving {
			return &list[i]
		}
	}
	return nil
}

// adopt gives a container the disks of those of its volumes that the sandbox
// has already. st is read under the sandbox's lock.
func (st *State) adopt(c *Container) {
	for i := range c.Volumes {
		for _, other := range st.Containers {
			if had := findVolume(other.Volumes, c.Volumes[i].Path); had != nil && other.ID != c.ID {
				c.Volumes[i].Disk = had.Disk
			}
		}
	}
}

// own answers the disks of those of a container's volumes that no other
// container of the sandbox has.
func (st *State) own(c *Container) []Disk {
	var disks []Disk
	seen := map[string]bool{}
	for _, v := range c.Volumes {
		for _, other := range st.Containers {
			// One that came while the others were leaving has a disk of its own.
			if had := findVolume(other.Volumes, v.Path); had != nil && other.ID != c.ID && had.ID == v.ID {
				seen[v.ID] = true
			}
		}
		if !seen[v.ID] {
			disks = append(disks, v.Disk)
		}
		seen[v.ID] = true
	}
	return disks
}

// useVolumes notes in the volumes' store who uses a container's volumes, for
// stats and resize.
func useVolumes(dir *state.Dir, c *Container) error {
	for _, v := range c.Volumes {
		if err := volumes().Use(v.Path, dir.ID(), dir.Root()); err != nil {
			return fmt.Errorf("direct volume %s: %w", v.Path, err)
		}
	}
	return nil
}

// releaseVolumes takes back what useVolumes noted of volumes that no other
// container of the sandbox has.
func (st *State) releaseVolumes(dir *state.Dir, c *Container) error {
	var errs []error
	for _, v := range c.Volumes {
		shared := false
		for _, other := range st.Containers {
			shared = shared || other.ID != c.ID && findVolume(other.Volumes, v.Path) != nil
		}
		if !shared {
			errs = append(errs, volumes().Release(v.Path, dir.ID()))
		}
	}
	return errors.Join(errs...)
}

// forgetVolumes is releaseVolumes for a whole sandbox.
func (st *State) forgetVolumes(dir *state.Dir) error {
	var errs []error
	for _, c := range st.Containers {
		for _, v := range c.Volumes {
			errs = append(errs, volumes().Release(v.Path, dir.ID()))
		}
	}
	return errors.Join(errs...)
}

// dropVolumes takes a container's volumes out of a VM that lives on.
func (h *Host) dropVolumes(ctx context.Context, dir *state.Dir, c *Container) error {
	if len(c.Volumes) == 0 {
		return nil
	}
	st, disks, err := leaveVolumes(dir, c.ID)
	return errors.Join(err, h.unplugDisks(ctx, st, disks))
}

// leaveVolumes notes that a container uses its volumes no more, and answers the
// disks that nobody uses then. Of several that leave at the same time, the last
// gets them. It may be repeated: the answer is the same then, or more.
func leaveVolumes(dir *state.Dir, id string) (st *State, disks []Disk, err error) {
	st = new(State)
	// What the volumes' store says changes under the same lock: who joins next
	// says there that the sandbox has the volume.
	var released error
	err = dir.Update(st, func() error {
		c := st.Containers[id]
		if c == nil {
			return nil // somebody else has removed it
		}
		disks, released = st.own(c), st.releaseVolumes(dir, c)
		for i := range c.Volumes {
			c.Volumes[i].Leaving = true
		}
		return nil
	})
	return st, disks, errors.Join(err, released)
}

// ErrVolumeUnused is the answer about a volume that no running VM has.
var ErrVolumeUnused = errors.New("no running virtual machine has this volume")

// VolumeStats answers the space of a direct-assigned volume as the guest sees it.
func (h *Host) VolumeStats(ctx context.Context, path string) (reply *agentpb.StatVolumeReply, err error) {
	err = h.onVolume(path, func(st *State, v *Volume) error {
		a, err := h.connect(ctx, st)
		if err != nil {
			return err
		}
		defer a.Close()
		return a.call(ctx, func(ctx context.Context) error {
			reply, err = a.StatVolume(ctx, &agentpb.VolumeRequest{MountPoint: v.mountPoint()})
			return err
		})
	})
	return reply, err
}

// ResizeVolume tells the VM that a volume's device has grown, and has the guest
// grow the file system to size bytes; 0 for all of the device.
func (h *Host) ResizeVolume(ctx context.Context, path string, size uint64) error {
	return h.onVolume(path, func(st *State, v *Volume) error {
		has, err := deviceSize(v.HostPath)
		if err != nil {
			return err
		}
		if size == 0 {
			size = has
		}
		// The guest sees whole sectors.
		if size = size / 512 * 512; size > has {
			return fmt.Errorf("%w: %d bytes are wanted, the device %s has %d: grow it first", volume.ErrInvalid, size, v.HostPath, has)
		}
		a, err := h.connect(ctx, st)
		if err != nil {
			return err
		}
		defer a.Close()
		err = a.call(ctx, func(ctx context.Context) error {
			reply, err := a.StatVolume(ctx, &agentpb.VolumeRequest{MountPoint: v.mountPoint()})
			if err == nil && reply.Capacity > size {
				err = fmt.Errorf("%w: its file system has %d bytes, and can only grow", volume.ErrInvalid, reply.Capacity)
			}
			return err
		})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		monitor, err := st.VM.Monitor(ctx)
		if err != nil {
			return err
		}
		defer monitor.Close()
		if err := monitor.ResizeDisk(ctx, v.ID, size); err != nil {
			return err
		}
		return a.call(ctx, func(ctx context.Context) error {
			_, err := a.ResizeVolume(ctx, &agentpb.VolumeRequest{MountPoint: v.mountPoint(), DeviceSize: size})
			return err
		})
	})
}

// onVolume calls do for the one running sandbox that has a volume, below
// whatever root it is.
func (h *Host) onVolume(path string, do func(*State, *Volume) error) error {
	users, err := volumes().Users(path)
	if err != nil {
		return err
	}
	path = filepath.Clean(path)
	for sandbox, root := range users {
		store, err := state.Open(root)
		if err != nil {
			return err
		}
		dir, err := store.Sandbox(sandbox)
		if errors.Is(err, ErrNotExist) {
			continue // it was killed before it could say that it is gone
		}
		if err != nil {
			return err
		}
		st := new(State)
		if err := dir.Read(st); err != nil {
			return err
		}
		if !st.VM.Process.Alive() {
			continue
		}
		for _, c := range st.Containers {
			if v := findVolume(c.Volumes, path); v != nil {
				if err := do(st, v); err != nil {
					return fmt.Errorf("direct volume %s: %w", path, err)
				}
				return nil
			}
		}
	}
	return fmt.Errorf("direct volume %s: %w", path, ErrVolumeUnused)
}
