package oci

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Role is what a container is to its sandbox.
type Role int

const (
	// Single is a container that is its own sandbox (docker, podman run).
	Single Role = iota
	// Infra is a pod's first container: it makes the sandbox (pause).
	Infra
	// Member joins an existing sandbox.
	Member
)

// PIDNamespace tells whether a container has its pid namespace in common with
// others, and answers the path by which it names that; without one it would be in
// the host's.
func PIDNamespace(spec *specs.Spec) (path string, shared bool) {
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type == specs.PIDNamespace {
			return ns.Path, ns.Path != ""
		}
	}
	return "", true
}

// OwnIPC tells whether a container has an ipc namespace of its own.
func OwnIPC(spec *specs.Spec) bool {
	return slices.ContainsFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.IPCNamespace && ns.Path == ""
	})
}

// Annotations by which the engines tell a container's role: containerd's CRI
// plugin (pkg/cri/annotations) and CRI-O (pkg/annotations).
var roleKeys = []struct{ kind, sandbox string }{
	{"io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id"},
	{"io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID"},
}

// RoleOf answers a container's role and, for a Member, the id of its sandbox.
// Annotations may be anybody's: some engines copy those of a pod or an image into
// the spec. So each engine's own must not be contradicted by another's, and a
// Member has to be in its sandbox's network namespace, too, which the engine alone
// names.
func RoleOf(spec *specs.Spec) (role Role, sandbox string, err error) {
	var by, named string
	for _, key := range roleKeys {
		kind, ok := spec.Annotations[key.kind]
		if !ok {
			continue
		}
		r, id := Infra, spec.Annotations[key.sandbox]
		switch kind {
		case "sandbox":
		case "container":
			if r = Member; id == "" {
				return Single, "", errors.New("annotation " + key.sandbox + " is missing: it must name the sandbox to join")
			}
		default:
			return Single, "", fmt.Errorf("annotation %s: %q is neither \"sandbox\" nor \"container\"", key.kind, kind)
		}
		if by != "" && (r != role || id != named) {
			return Single, "", fmt.Errorf("annotations %s and %s (or their sandbox ids) contradict each other: "+
				"remove those from the pod or image that its engine does not set", by, key.kind)
		}
		role, by, named = r, key.kind, id
	}
	if role == Member {
		sandbox = named
	}
	return role, sandbox, nil
}
