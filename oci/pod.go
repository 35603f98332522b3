package oci

import (
	"errors"
	"fmt"

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

// SharesPID tells whether a member of a pod has its pid namespace in common
// with others: it names one of another process, or none, which would be the host's.
func SharesPID(spec *specs.Spec) bool {
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type == specs.PIDNamespace {
			return ns.Path != ""
		}
	}
	return true
}

// Annotations by which the engines tell a container's role: containerd's CRI
// plugin (pkg/cri/annotations) and CRI-O (pkg/annotations).
var roleKeys = []struct{ kind, sandbox string }{
	{"io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id"},
	{"io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID"},
}

// RoleOf answers a container's role and, for a Member, the id of its sandbox.
func RoleOf(spec *specs.Spec) (Role, string, error) {
	for _, key := range roleKeys {
		switch kind, ok := spec.Annotations[key.kind]; {
		case !ok:
		case kind == "sandbox":
			return Infra, "", nil
		case kind == "container":
			id := spec.Annotations[key.sandbox]
			if id == "" {
				return Single, "", errors.New("annotation " + key.sandbox + " is missing: it must name the sandbox to join")
			}
			return Member, id, nil
		default:
			return Single, "", fmt.Errorf("annotation %s: %q is neither \"sandbox\" nor \"container\"", key.kind, kind)
		}
	}
	return Single, "", nil
}
