package resources

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Groups that are ours alone.
const (
	defaultTop  = "/kata"
	overheadTop = "/kata_overhead"
)

// ContainerPath is linux.cgroupsPath, checked, or the default for an empty one:
// "/kata/ID", or "system.slice:kata:ID" with systemd. A relative path is
// relative to the caller's own cgroup, as in runc.
func ContainerPath(cgroupsPath, containerID string, systemd bool) (string, error) {
	if systemd {
		if cgroupsPath == "" {
			return "system.slice:kata:" + containerID, nil
		}
		if _, _, _, err := systemdPath(cgroupsPath); err != nil {
			return "", err
		}
		return cgroupsPath, nil
	}
	if cgroupsPath == "" {
		return defaultTop + "/" + containerID, nil
	}
	path := filepath.Clean("/" + cgroupsPath)
	if path == "/" {
		return "", fmt.Errorf("linux.cgroupsPath %q is the root of all cgroups", cgroupsPath)
	}
	if !filepath.IsAbs(cgroupsPath) {
		path = path[1:]
	}
	return path, nil
}

// systemdPath takes "slice:prefix:name" apart.
func systemdPath(path string) (slice, prefix, name string, err error) {
	parts := strings.Split(path, ":")
	if len(parts) != 3 || parts[2] == "" || strings.Contains(path, "/") || parts[0] != "" && !strings.HasSuffix(parts[0], ".slice") {
		return "", "", "", fmt.Errorf(`linux.cgroupsPath %q: with --systemd-cgroup it must be "slice:prefix:name", such as "system.slice:docker:ID"`, path)
	}
	slice = parts[0]
	if slice == "" {
		slice = "system.slice"
	}
	return slice, parts[1], parts[2], nil
}

// sandboxPath is where a sandbox's VM goes if not below its container's group;
// container is as ContainerPath answered it. Empty means below.
func (c Config) sandboxPath(container string, sandboxID string, systemd, pod bool) (string, error) {
	if !c.SandboxCgroupOnly && !pod {
		return "", nil
	}
	if systemd {
		slice, _, _, err := systemdPath(container)
		if err != nil {
			return "", err
		}
		if c.SandboxCgroupOnly {
			// Not ContainerPath's prefix: the first container has the sandbox's id.
			return slice + ":kata_sandbox:" + sandboxID, nil
		}
		return "system.slice:kata_overhead:" + sandboxID, nil
	}
	if c.SandboxCgroupOnly {
		return filepath.Join(filepath.Dir(container), "kata_"+sandboxID), nil
	}
	return overheadTop + "/" + sandboxID, nil
}
