package share

import (
	"path/filepath"
	"slices"
)

// Below is what is mounted below the source of a volume.
type Below struct {
	// Path is its place in the volume, relative.
	Path string
	// Source is to be shared in its own right; nil if Skipped says why it cannot be.
	Source  *Source
	Skipped error
}

// Below answers each mount below hostPath, in the order in which the guest has to
// mount them in the volume. They get places of their own in the folder: a mount in
// a volume's copy, in the host's mount namespace, would keep the host from
// removing the folder that it is on, and what is mounted through a read-only mount
// in the guest is read-only. The caller closes the sources.
//
// What cannot be shared is skipped: a mount that root cannot look at (FUSE), a
// device, one that goes away meanwhile.
func (f *Folder) Below(hostPath string) ([]Below, error) {
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
		below.Source, below.Skipped = OpenSource(path)
		all = append(all, below)
	}
	return all, nil
}
