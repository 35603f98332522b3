package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// Spec is the part of config.json that later commands need.
type Spec struct {
	Process     *specs.Process    `json:"process"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Hooks       *specs.Hooks      `json:"hooks,omitempty"`
	Version     string            `json:"version"`
	// Resources are the limits that the host enforces on a container that is
	// alone in its sandbox; nil for one of a pod.
	Resources *specs.LinuxResources `json:"resources,omitempty"`
	// CgroupsPath is linux.cgroupsPath.
	CgroupsPath string `json:"cgroups_path,omitempty"`
}

// Info is what can be told about a container.
type Info struct {
	ID, Bundle, Rootfs string
	// PID is the shim's, on the host; 0 while the container is being created.
	PID         int
	Status      container.Status
	Created     time.Time
	Annotations map[string]string
	// Owner is the uid that made it.
	Owner int
	// Process is the container's own process document.
	Process *specs.Process
}

// load finds a container and reads its sandbox's state.
func (h *Host) load(id string) (*state.Dir, *State, *Container, error) {
	if err := validID(id); err != nil {
		return nil, nil, nil, err
	}
	dir, err := h.store.Find(id)
	if err != nil {
		return nil, nil, nil, err
	}
	st := new(State)
	if err := dir.Read(st); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			// Claimed, and then cut off before anything was written.
			st = &State{ID: dir.ID()}
			return dir, st, &Container{ID: id}, nil
		}
		return dir, nil, nil, err
	}
	c := st.Containers[id]
	if c == nil {
		c = &Container{ID: id}
	}
	return dir, st, c, nil
}

func validID(id string) error {
	if err := wire.ValidID(id); err != nil {
		return fmt.Errorf("invalid container ID format: %w", err)
	}
	return nil
}

// Status tells about one container.
func (h *Host) Status(id string) (*Info, error) {
	_, _, c, err := h.load(id)
	if err != nil {
		return nil, err
	}
	return c.info(), nil
}

func (c *Container) info() *Info {
	return &Info{
		ID: c.ID, Bundle: c.Bundle, Rootfs: c.Rootfs, PID: c.PID, Status: c.status(),
		Created: c.Created, Annotations: c.Spec.Annotations, Owner: c.Owner, Process: c.Spec.Process,
	}
}

// List tells about all containers below the root, sorted by id. One that
// cannot be read is logged and left out.
func (h *Host) List() ([]*Info, error) {
	ids, err := h.store.List()
	if err != nil {
		return nil, err
	}
	var infos []*Info
	for _, id := range ids {
		info, err := h.Status(id)
		if errors.Is(err, ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			h.log.Warn("container left out of the list", "id", id, "error", err)
			continue
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// ociState is what hooks get on their standard input.
func (c *Container) ociState(status specs.ContainerState) *specs.State {
	state := &specs.State{
		Version: c.Spec.Version, ID: c.ID, Status: status, Pid: c.PID,
		Bundle: c.Bundle, Annotations: c.Spec.Annotations,
	}
	if status == specs.StateStopped {
		state.Pid = 0 // it may be another process's by now
	}
	return state
}
