package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// Share is a volume of the host's in the shared folder, which the containers of
// a sandbox have in common. It goes with the last of them that has it.
type Share struct {
	// Key is the source's.
	Key string `json:"key"`
	// Place and Name are where it is in the folder.
	Place string `json:"place"`
	Name  string `json:"name"`
	IsDir bool   `json:"is_dir,omitempty"`
	// absent: it is noted, and was gone before it could be put there.
	absent bool
}

// storage has the agent hold the place, for all containers that have it; nil for
// a file, which is in the share's own file system, and for what is absent.
func (s Share) storage() *agentpb.Storage {
	if !s.IsDir || s.absent {
		return nil
	}
	return submount(s.Place, s.Name)
}

// submount has the agent go to a place, where the guest's kernel then mounts what
// is there, and unmount that when no container has it any more.
func submount(place, name string) *agentpb.Storage {
	return &agentpb.Storage{Driver: "submount", MountPoint: share.GuestDir + "/" + place + "/" + name}
}

// rootStorage is for a container that has processes. The agent goes to its root
// file system to start each, and would leave it mounted.
func (c *Container) rootStorage() *agentpb.Storage { return submount(c.Place, share.RootfsName) }

// sharing is a volume that a container asks for.
type sharing struct {
	// mount is the mount's place in the spec, below where it belongs in that mount;
	// empty for the mount itself.
	mount  int
	below  string
	source *share.Source
	// flags are what the source's mount forbids.
	flags []string
	o     share.MountOptions
	key   string
}

type sharings []sharing

func (l sharings) close() {
	for _, s := range l {
		s.source.Close()
	}
}

// planVolume adds a volume, the container's n-th mount, and what is mounted below
// it to the list. One that later mounts of the host are to reach is tied to the
// host's mount, not only to what lies there, and shared for the container alone.
func (h *Host) planVolume(list *sharings, folder *share.Folder, c *Container, n int, m specs.Mount, plan oci.GuestPlan) (err error) {
	o := volumeOptions(m.Options)
	source, err := share.OpenSource(m.Source)
	if err != nil {
		return err
	}
	if o.Slave {
		defer source.Close()
		if plan.Flags[n], err = source.Flags(); err != nil {
			return err
		}
		plan.Sources[n], err = folder.AddMount(c.Place, n, m.Source, o.MountOptions)
		return err
	}
	if err := list.add(sharing{mount: n, source: source, o: o.MountOptions}); err != nil {
		return err
	}
	if o.alone || !source.IsDir() {
		return nil
	}
	o.ReadOnly = o.recursiveReadOnly
	below, err := folder.Below(source)
	for _, b := range below {
		if b.Skipped != nil {
			h.log.Warn("a mount below a volume is left out", "id", c.ID, "destination", m.Destination, "mount", b.Path, "cause", b.Skipped)
		} else if lerr := list.add(sharing{mount: n, below: b.Path, source: b.Source, o: o.MountOptions}); err == nil {
			err = lerr
		}
	}
	return err
}

// add takes the sharing's source over, also when it fails.
func (l *sharings) add(s sharing) (err error) {
	*l = append(*l, s)
	last := &(*l)[len(*l)-1]
	if last.key, err = s.source.Key(s.o); err == nil {
		last.flags, err = s.source.Flags()
	}
	return err
}

// shareOnce puts a container's volumes into the shared folder, or finds those
// there that another container has, and writes their places into the plan. What it
// puts there is noted first, so that dropShares takes it back after an error or a
// kill.
func shareOnce(log *slog.Logger, dir *state.Dir, folder *share.Folder, c *Container, list sharings, plan oci.GuestPlan) error {
	if len(list) == 0 {
		return nil
	}
	st := new(State)
	err := dir.Update(st, func() error {
		entry := st.Containers[c.ID]
		if entry == nil {
			return ErrNotExist
		}
		for _, s := range list {
			if findShare(entry.Shares, s.key) != nil {
				continue
			}
			had := Share{Key: s.key, Place: share.NewPlace(), Name: s.source.Name(), IsDir: s.source.IsDir()}
			for _, other := range st.Containers {
				if found := findShare(other.Shares, s.key); found != nil {
					had = *found
				}
			}
			entry.Shares = append(entry.Shares, had)
		}
		c.Shares = entry.Shares
		return nil
	})
	if err != nil {
		return err
	}
	// Under the lock: another container may be the last that has it until now.
	return dir.Exclusive(func() error {
		for i := range c.Shares {
			c.Shares[i].absent = true
		}
		for _, s := range list {
			had := findShare(c.Shares, s.key)
			guest, err := folder.AddVolume(had.Place, had.Name, s.source, s.o)
			if s.below != "" && errors.Is(err, share.ErrUnbindable) {
				log.Warn("a mount below a volume is left out", "id", c.ID, "mount", s.below, "cause", err)
				continue
			}
			if err != nil {
				return fmt.Errorf("mounts[%d]: %w", s.mount, err)
			}
			had.absent = false
			if s.below == "" {
				plan.Sources[s.mount], plan.Flags[s.mount] = guest, s.flags
			} else {
				plan.Below[s.mount] = append(plan.Below[s.mount], oci.Below{Path: s.below, Source: guest, Flags: s.flags})
			}
		}
		return nil
	})
}

func findShare(list []Share, key string) *Share {
	for i := range list {
		if list[i].Key == key {
			return &list[i]
		}
	}
	return nil
}

// dropShares takes those of a container's volumes out of the shared folder that
// no other container has. It is idempotent.
func dropShares(dir *state.Dir, folder *share.Folder, id string) error {
	st := new(State)
	return dir.Update(st, func() error {
		c := st.Containers[id]
		if c == nil {
			return nil
		}
		for _, s := range c.Shares {
			used := false
			for _, other := range st.Containers {
				used = used || other.ID != id && findShare(other.Shares, s.Key) != nil
			}
			if used {
				continue
			}
			if err := folder.RemovePlace(s.Place); err != nil {
				return err
			}
		}
		c.Shares = nil
		return nil
	})
}

// unshareContainer takes a container out of the shared folder of a sandbox that
// lives on.
func unshareContainer(dir *state.Dir, c *Container) error {
	if c.Place == "" {
		return nil // nothing of it was noted, so nothing was shared
	}
	folder, err := share.Open(sharedPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has gone with the sandbox
	}
	if err != nil {
		return err
	}
	if err := folder.RemovePlace(c.Place); err != nil {
		return err
	}
	return dropShares(dir, folder, c.ID)
}
