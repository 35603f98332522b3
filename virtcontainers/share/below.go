package share

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Below is what is mounted below the source of a volume.
type Below struct {
	// Path is its place in the volume, relative.
	Path string
	// Source is to be shared in its own right; nil if Skipped says why it cannot be.
	Source  *Source
	Skipped error
}

// Below answers each mount below a volume's source, in the order in which the
// guest has to mount them in the volume. They get places of their own in the
// folder: a mount in a volume's copy, in the host's mount namespace, would keep
// the host from removing the folder that it is on, and what is mounted through a
// read-only mount in the guest is read-only. The caller closes the sources.
//
// What cannot be shared is skipped: a mount that root cannot look at (FUSE), a
// device, one that goes away meanwhile, or whose path does not lead to it.
func (f *Folder) Below(source *Source) ([]Below, error) {
	points, err := f.pointsBelow(source)
	if err != nil {
		return nil, err
	}
	var all []Below
	for _, p := range points {
		below := Below{Path: p.rel}
		below.Source, below.Skipped = source.open(p)
		all = append(all, below)
	}
	return all, nil
}

// point is a place below a source where something is mounted.
type point struct {
	rel string
	// ids are the mounts there by mountinfo's numbers. Of several, one on top of
	// another, the one that is seen is not told apart.
	ids []int
}

// pointsBelow lists the mount points below a source; a folder's comes before
// those in it.
func (f *Folder) pointsBelow(source *Source) ([]point, error) {
	// Where it is now: its own path may have been led elsewhere since it was opened.
	top, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", source.file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("mounts below %s: %w", source.file.Name(), err)
	}
	mounts, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		// A share in itself would have no end.
		return i.Mountpoint == top || !within(i.Mountpoint, top) || within(i.Mountpoint, f.dir), false
	})
	if err != nil {
		return nil, fmt.Errorf("read the mounts: %w", err)
	}
	at := map[string][]int{}
	for _, m := range mounts {
		at[m.Mountpoint] = append(at[m.Mountpoint], m.ID)
	}
	var points []point
	for path, ids := range at {
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return nil, err
		}
		points = append(points, point{rel, ids})
	}
	slices.SortFunc(points, func(a, b point) int { return strings.Compare(a.rel, b.rel) })
	return points, nil
}

// errMoved is the answer for a mount point that is not where it was.
var errMoved = errors.New("its path does not lead to the mount any more: something was renamed or unmounted there meanwhile")

// open opens a mount below the source. A guest that has the volume already may
// rename folders and make links in it at any time: so no link is followed, the
// way never leaves the source, and what is at its end must be the root of that
// mount, not another folder that got its name.
func (s *Source) open(p point) (*Source, error) {
	path := filepath.Join(s.file.Name(), p.rel)
	fd, err := unix.Openat2(int(s.file.Fd()), p.rel, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "share", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	isDir := false
	if err = p.check(file); err == nil {
		isDir, err = checkKind(file)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Source{file, isDir}, nil
}

// check tells whether what is open is the root of one of the mounts.
func (p point) check(file *os.File) error {
	var st unix.Statx_t
	if err := unix.Statx(int(file.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return &os.PathError{Op: "statx", Path: file.Name(), Err: err}
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 || !slices.Contains(p.ids, int(st.Mnt_id)) {
		return &os.PathError{Op: "share", Path: file.Name(), Err: errMoved}
	}
	return nil
}
