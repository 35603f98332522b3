package share

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// RemovePlace takes away what was added at a place. It is idempotent. nil means
// that nothing of it is mounted in the folder any more; what a running virtiofsd
// or QEMU still holds open for the guest ends with them.
func (f *Folder) RemovePlace(at string) error {
	if err := checkPlace(at); err != nil {
		return err
	}
	if _, err := os.Lstat(f.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := f.unmountBelow(filepath.Join(f.dir, at)); err != nil {
		return fmt.Errorf("remove %s from the shared folder: %w", at, err)
	}
	root, err := f.writable()
	if err != nil {
		return fmt.Errorf("remove %s from the shared folder: %w", at, err)
	}
	defer root.Close()
	if err := root.RemoveAll(at); err != nil {
		return fmt.Errorf("remove %s from the shared folder: %w", at, err)
	}
	return nil
}

// Remove takes everything away, also what a run that was killed has left. It is
// idempotent. nil means that nothing is left.
func (f *Folder) Remove() error {
	if _, err := os.Lstat(f.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	err := f.unmountBelow(f.dir)
	if err == nil {
		err = f.clear()
	}
	if err == nil {
		err = os.Remove(f.dir)
	}
	if err != nil {
		return fmt.Errorf("remove shared folder %s: %w", f.dir, err)
	}
	return nil
}

// clear deletes the places of the mounts.
func (f *Folder) clear() error {
	root, err := f.writable()
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	for _, name := range names {
		err = errors.Join(err, root.RemoveAll(name))
	}
	return err
}

// unmountBelow unmounts all at and below path (the folder or a place in it). An
// error means that a mount is left.
func (f *Folder) unmountBelow(path string) error {
	mounts, err := mountsBelow(path)
	if err != nil {
		return err
	}
	busy := false
	// Those on top of others come later in the list.
	for i := len(mounts) - 1; i >= 0; i-- {
		err := f.unmount(mounts[i], 0)
		if errors.Is(err, unix.EBUSY) || moved(err) {
			// In use, or renamed by the guest meanwhile: goes with the mount that it is
			// in, whose place no guest can touch.
			busy = true
		} else if err != nil {
			return fmt.Errorf("unmount %s: %w", mounts[i], err)
		}
	}
	if !busy {
		return nil
	}
	if mounts, err = mountsBelow(path); err != nil {
		return err
	}
	for _, m := range mounts {
		// The first ones take those below them along.
		if err := f.unmount(m, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !moved(err) {
			return fmt.Errorf("detach %s: %w", m, err)
		}
	}
	if mounts, err = mountsBelow(path); err == nil && len(mounts) > 0 {
		err = fmt.Errorf("%s does not go away", mounts[0])
	}
	return err
}

// moved tells whether a path does not lead to a mount any more.
func moved(err error) bool {
	return errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// unmount unmounts one mount. Below a mount the guest may swap folders for
// links, so the way there is resolved without following any.
func (f *Folder) unmount(path string, flags int) error {
	if path != f.dir {
		rel, err := filepath.Rel(f.dir, path)
		if err != nil {
			return err
		}
		parent, err := f.open(filepath.Dir(rel), 0)
		if err != nil {
			return err
		}
		defer parent.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", parent.Fd(), filepath.Base(rel))
	}
	err := unix.Unmount(path, flags|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) && flags == 0 {
		// No mount any more: it went with another that it had been propagated from.
		return nil
	}
	return err
}

func mountsBelow(path string) ([]string, error) {
	infos, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return !within(i.Mountpoint, path), false
	})
	if err != nil {
		return nil, fmt.Errorf("read the mounts: %w", err)
	}
	var paths []string
	for _, i := range infos {
		paths = append(paths, i.Mountpoint)
	}
	return paths, nil
}

// within tells whether a clean path is a folder or lies below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}
