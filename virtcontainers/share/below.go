package share

import (
	"fmt"
	"path/filepath"
	"slices"
)

// Below is what is mounted below the source of a volume.
type Below struct {
	// Path is its place in the volume, relative.
	Path string
	// Guest is its path in the guest; empty if Skipped says why it has none.
	Guest   string
	Skipped error
}

// AddBelow binds each mount below hostPath, which AddMount has bound as the
// container's n-th mount, at a place of its own, and answers them in the order
// in which the guest has to mount them in the volume. It is not done here: a
// mount in a volume's copy, in the host's mount namespace, would keep the host
// from removing the folder that it is on, and what is mounted through a
// read-only mount in the guest is read-only.
//
// What cannot be shared is skipped: a mount that root cannot look at (FUSE), a
// device, one that goes away meanwhile. After an error RemoveContainer has to
// take away what was bound before it.
func (f *Folder) AddBelow(containerID string, n int, hostPath string, o MountOptions) ([]Below, error) {
	source, err := filepath.EvalSymlinks(hostPath)
	if err == nil {
		source, err = filepath.Abs(source)
	}
	if err != nil {
		return nil, err
	}
	mounts, err := mountsBelow(source)
	if err != nil {
		return nil, err
	}
	// One on top of another is the one that is seen; a folder's comes before
	// those in it.
	slices.Sort(mounts)
	var all []Below
	for _, path := range slices.Compact(mounts) {
		// A share in itself would have no end.
		if path == source || within(path, f.dir) {
			continue
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return nil, err
		}
		below := Below{Path: rel}
		if file, _, err := openSource(path); err != nil {
			below.Skipped = err
		} else {
			file.Close()
			below.Guest, err = f.add(containerID, fmt.Sprintf("mounts/%d.%d", n, len(all)), path, o, false, false)
			if err != nil {
				return nil, err
			}
		}
		all = append(all, below)
	}
	return all, nil
}
