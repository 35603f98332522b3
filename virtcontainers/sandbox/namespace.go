package sandbox

import (
	"errors"
	"fmt"

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

// inode is what tells namespaces apart (namespaces(7)).
type inode struct{ dev, ino uint64 }

func inodeOf(path string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return inode{}, fmt.Errorf("%s: %w", path, err)
	}
	return inode{st.Dev, st.Ino}, nil
}
