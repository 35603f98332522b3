package sandbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
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

// inode is what tells namespaces apart (namespaces(7)).
type inode struct{ dev, ino uint64 }

func inodeOf(path string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return inode{}, fmt.Errorf("%s: %w", path, err)
	}
	return inode{st.Dev, st.Ino}, nil
}
