package resources

import (
	"context"
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Group is a host cgroup that Create made or found, as it is kept in the state.
type Group struct {
	// Path is the spec's linux.cgroupsPath, or the default for it.
	Path string `json:"path"`
	// Systemd tells that systemd manages it (--systemd-cgroup).
	Systemd bool `json:"systemd,omitempty"`
	// Paths are its folders: by controller in cgroup v1, under "" in v2.
	Paths map[string]string `json:"paths"`
	// Made are the folders that did not exist before, in the order of making.
	Made []string `json:"made"`
}

// ContainerPath is linux.cgroupsPath, or the default for an empty one.
func ContainerPath(cgroupsPath, containerID string, systemd bool) (string, error) {
	return "", errors.New("resources: not there yet")
}

// SandboxPath is the cgroup for a sandbox's VM processes. pod tells that
// cgroupsPath belongs to a CRI sandbox (pause) container.
func (c Config) SandboxPath(cgroupsPath, sandboxID string, systemd, pod bool) (string, error) {
	return "", errors.New("resources: not there yet")
}

// Create makes the cgroup at path (as ContainerPath or SandboxPath answer it)
// and places pids in it. warnings name what the host could not do and the spec
// does not need. After an error nothing is left.
func Create(path string, systemd bool, pids ...int) (g *Group, warnings []string, err error) {
	return nil, nil, errors.New("resources: not there yet")
}

// Place moves processes into the group, with the threads they have by then.
func (g *Group) Place(pids ...int) error { return errors.New("resources: not there yet") }

// Limit sets those limits of r that the host has to enforce.
func (g *Group) Limit(r *specs.LinuxResources) (warnings []string, err error) {
	return nil, errors.New("resources: not there yet")
}

// Remove removes what Create made; idempotent. With kill it ends the processes
// that are still inside, else they are an error.
func (g *Group) Remove(ctx context.Context, kill bool) error {
	return errors.New("resources: not there yet")
}
