package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/emptydir"
)

// EmptyDir is one of the kubelet's volumes of memory that a container mounts,
// and that the guest has a file system of its own for: one for the sandbox, from
// its first user to the VM's end.
type EmptyDir struct {
	emptydir.Volume
	// Mount is the mount's place in the spec.
	Mount int `json:"mount"`
	// filled: there is something in the host's that must be seen.
	filled bool
}

// emptyDirsOf answers the volumes of memory among a spec's mounts. One on
// /dev/shm is more than the sandbox's own: its size is the user's.
func emptyDirsOf(spec *specs.Spec) ([]EmptyDir, error) {
	var list []EmptyDir
	for at, m := range spec.Mounts {
		if kind := oci.KindOf(m); kind != oci.Shared && kind != oci.Shm {
			continue
		}
		v, err := emptydir.Find(m.Source)
		if err != nil {
			return nil, fmt.Errorf("mounts[%d] (%s): %w", at, m.Destination, err)
		}
		if v == nil {
			continue
		}
		e := EmptyDir{Volume: *v, Mount: at}
		if e.filled, err = v.HasFiles(); err != nil {
			return nil, fmt.Errorf("mounts[%d] (%s): %w", at, m.Destination, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// placeEmptyDirs decides for each of a container's volumes of memory whether it
// is the guest's, and takes those from the container that are not. What was
// decided for the first user holds for all. st is read under the sandbox's lock.
func (st *State) placeEmptyDirs(log *slog.Logger, c *Container) {
	c.EmptyDirs = slices.DeleteFunc(c.EmptyDirs, func(e EmptyDir) bool {
		inGuest, known := st.EmptyDirs[e.Path]
		if !known {
			inGuest = !e.filled
			if st.EmptyDirs == nil {
				st.EmptyDirs = map[string]bool{}
			}
			st.EmptyDirs[e.Path] = inGuest
		}
		if !inGuest {
			log.Debug("a volume of memory is shared from the host: it held files before the sandbox used it", "id", c.ID, "volume", e.Path)
		}
		return !inGuest
	})
}

// emptyDirAt answers the guest's path of the volume of memory that is the spec's
// mount with this number; empty if it is none.
func (c *Container) emptyDirAt(mount int) string {
	for _, e := range c.EmptyDirs {
		if e.Mount == mount {
			return e.guestPath(c.ID)
		}
	}
	return ""
}

// root is where the guest mounts the volume: the same for all containers.
func (e EmptyDir) root() string {
	sum := sha256.Sum256([]byte(e.Path))
	return "/run/kata-containers/volumes/e" + hex.EncodeToString(sum[:8])
}

// guestPath is what a container's mount has for a source.
func (e EmptyDir) guestPath(container string) string {
	if e.Sub == "" {
		return e.root()
	}
	return e.root() + "." + container + "." + strconv.Itoa(e.Mount)
}

// storages is how the agent gets to know the volume.
func (e EmptyDir) storages(container string) []*agentpb.Storage {
	s := &agentpb.Storage{
		Driver: "ephemeral", MountPoint: e.root(), ForSandbox: true,
		Options: append(slices.Clone(e.Flags), ownerOptions(e.Root)...),
	}
	if e.PageSize > 0 {
		s.Driver, s.Options = "hugetlbfs", append(s.Options, fmt.Sprintf("pagesize=%d", e.PageSize))
	} else {
		s.Options = append(s.Options, fmt.Sprintf("size=%d", e.Size))
	}
	if e.Sub == "" {
		return []*agentpb.Storage{s}
	}
	return []*agentpb.Storage{s, {
		Driver: "folder", Source: e.root() + "/" + e.Sub, MountPoint: e.guestPath(container), Options: ownerOptions(e.Folder),
	}}
}

func ownerOptions(o emptydir.Owner) []string {
	return []string{fmt.Sprintf("mode=%04o", o.Mode), fmt.Sprintf("uid=%d", o.UID), fmt.Sprintf("gid=%d", o.GID)}
}
