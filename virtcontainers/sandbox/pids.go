package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// PIDs says whose processes a container sees: its own if empty, those of the
// sandbox's shared pid namespace, or another container's (ofContainer and its id).
type PIDs string

const (
	ofSandbox   PIDs = "sandbox"
	ofContainer PIDs = "container:"
)

// container is the id of the one whose pid namespace it is; empty if none's.
func (p PIDs) container() string {
	id, ok := strings.CutPrefix(string(p), string(ofContainer))
	if !ok {
		return ""
	}
	return id
}

// pidsOf tells whose pid namespace a container that joins the sandbox asks for.
// Engines name it by a process: that of the pod's first container, or of another
// one (kubectl debug --target, docker run --pid container:X beside --network
// container:X). With a service for all of a pod each container has the same
// process, the proxy: there the pod's others tell what is meant.
func (st *State) pidsOf(spec *specs.Spec) (PIDs, error) {
	path, shared := oci.PIDNamespace(spec)
	if !shared {
		return "", nil
	}
	first := st.Containers[st.ID]
	pod := first == nil || first.Infra
	if path == "" {
		return ofSandbox, nil // the host's: its containers in this VM
	}
	want, err := inodeOf(path)
	if err != nil {
		return "", fmt.Errorf("pid namespace: %w", err)
	}
	var meant, ended []string
	ofPod := false
	for id, c := range st.Containers {
		switch is := c.is(path, want); {
		case !is:
		case c.Infra:
			ofPod = true
		case c.PIDs == ofSandbox:
			return ofSandbox, nil
		default:
			if of := c.PIDs.container(); of != "" {
				id = of
			}
			if c := st.Containers[id]; c != nil && c.status() != container.Stopped {
				meant = append(meant, id)
			} else {
				ended = append(ended, id)
			}
		}
	}
	slices.Sort(meant)
	meant = slices.Compact(meant)
	switch {
	case len(meant) == 1:
		return ofContainer + PIDs(meant[0]), nil
	case len(meant) > 1:
		return "", fmt.Errorf("pid namespace %s: it could be that of any of the containers %s, for which one process stands: "+
			"name none of them (without --target or --pid)", path, strings.Join(meant, ", "))
	case len(ended) > 0 && !ofPod:
		return "", fmt.Errorf("pid namespace %s: container %s, whose it was, has ended", path, ended[0])
	case pod || ofPod:
		return ofSandbox, nil
	}
	return "", nil // of a container elsewhere (docs/limitations.md)
}

// is tells whether a pid namespace, by its path and inode, is the container's as
// engines know it: that of the process which stands for it.
func (c *Container) is(path string, namespace inode) bool {
	own := fmt.Sprintf("/proc/%d/ns/pid", c.PID)
	if path == own {
		return true
	}
	// A path that an engine has pinned.
	have, err := inodeOf(own)
	if err != nil || have != namespace {
		return false
	}
	if c.Shim.PID == 0 {
		return c.Service.Alive()
	}
	// A shim without a namespace of its own has ours.
	ours, err := inodeOf("/proc/self/ns/pid")
	return err == nil && have != ours && c.Shim.Alive()
}

// canJoinPIDs refuses what an older agent would silently drop.
func (h *Host) canJoinPIDs(ctx context.Context, st *State, c *Container) error {
	if c.PIDs.container() == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	agent, err := dial.Connect(ctx, st.Agent, "kata-runtime")
	if err != nil {
		return guestError(err)
	}
	defer agent.Close()
	if !agent.Has(wire.FeaturePIDOf) {
		return fmt.Errorf("the pid namespace of container %s: the guest's agent %s has no feature %q: update the guest image",
			c.PIDs.container(), wire.Printable(agent.Release), wire.FeaturePIDOf)
	}
	return nil
}
