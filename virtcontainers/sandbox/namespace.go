package sandbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

// inNamespace answers the sandbox whose network namespace is the one at path;
// empty if there is none. A network interface can be in one VM only. So a
// container that is told to share another one's network (docker run --network
// container:X, each member of a Podman pod) must be in the same VM.
func (h *Host) inNamespace(path string) (string, error) {
	want, err := inodeOf(path)
	if err != nil {
		return "", fmt.Errorf("network namespace: %w", err)
	}
	ids, err := h.store.List()
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		dir, st, _, err := h.load(id)
		if errors.Is(err, ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil || id != dir.ID() || st.Network.Namespace == "" || !st.VM.Process.Alive() {
			continue
		}
		if have, err := inodeOf(st.Network.Namespace); err == nil && have == want {
			return dir.ID(), nil
		}
	}
	return "", nil
}

// ownerOf answers the sandbox that a container joins because its network namespace,
// the one at path, is that sandbox's; empty if it gets a sandbox of its own.
func (h *Host) ownerOf(path string, role oci.Role) (string, error) {
	owner, err := h.inNamespace(path)
	switch {
	case err != nil:
		return "", err
	case owner != "" && role == oci.Infra:
		// No engine does that: the annotation is somebody else's, and a second VM would
		// take the interfaces away from the first.
		return "", fmt.Errorf("network namespace %s is that of sandbox %s: a pod's first container (says an annotation) cannot be in it", path, owner)
	case owner == "" && role == oci.Single:
		return "", foreign(path)
	}
	return owner, nil
}

// foreign refuses a namespace that is named by a process in it, as engines name
// that of another container: no sandbox has it, so its interface is in use by
// that process, from which the VM would take it away.
func foreign(path string) error {
	pid, ok := strings.CutSuffix(strings.TrimPrefix(path, "/proc/"), "/ns/net")
	if n, err := strconv.Atoi(pid); !ok || err != nil || n <= 0 {
		return nil
	}
	return fmt.Errorf("the network namespace of process %s is not that of a VM: start that container with this runtime, too, "+
		"or give this one a network of its own", pid)
}

// admit refuses a container that the engine has not put into the sandbox's network
// namespace. Which sandbox it says to be of are annotations, which with some engines
// whoever wrote the pod or the image can choose; the namespace is the engine's own
// word.
func (st *State) admit(spec *specs.Spec) error {
	path, host := oci.NetworkNamespace(spec)
	is, err := st.inNetwork(path, host)
	if err != nil {
		return fmt.Errorf("sandbox %s: does the container belong to it: %w", st.ID, err)
	}
	if !is {
		return fmt.Errorf("sandbox %s: the container is not in its network namespace (linux.namespaces has %q): "+
			"only the engine that made the sandbox can add to it, by that namespace's path", st.ID, path)
	}
	return nil
}

// inNetwork tells whether a spec's network is the sandbox's: the namespace at path,
// or host for the host's own.
func (st *State) inNetwork(path string, host bool) (bool, error) {
	if st.Network.Namespace == "" {
		if path == "" {
			return host, nil
		}
		// containerd names it by our process, which is in the host's.
		if is, err := network.IsHost(path); is || err != nil {
			return is, err
		}
		if st.Network.Named == "" {
			return false, nil
		}
		return sameFile(path, st.Network.Named)
	}
	if path == "" {
		return false, nil
	}
	ns, err := st.namespace()
	if err != nil {
		return false, err
	}
	defer ns.Close()
	return sameFile(path, fmt.Sprintf("/proc/self/fd/%d", ns.File().Fd()))
}

func sameFile(a, b string) (bool, error) {
	one, err := inodeOf(a)
	other, err2 := inodeOf(b)
	return one == other, errors.Join(err, err2)
}

// inode is what tells namespaces apart (namespaces(7)).
type inode struct{ dev, ino uint64 }

func inodeOf(path string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return inode{}, fmt.Errorf("%s: %w", path, err)
	}
	return inode{st.Dev, st.Ino}, nil
}
