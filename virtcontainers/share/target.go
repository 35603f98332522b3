package share

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// writable answers the folder itself, writable and without any of the mounts
// in it: what is made or deleted there is only ever our own.
func (f *Folder) writable() (*os.Root, error) {
	tree, err := openTree(unix.AT_FDCWD, f.dir, 0, unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY, Propagation: unix.MS_PRIVATE})
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", tree.Fd()))
}

// makeTarget makes the folder or file at the place at, and those above it, and
// answers those that were not there before.
func (f *Folder) makeTarget(at string, isDir bool) (made []string, err error) {
	root, err := f.writable()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	parts := strings.Split(at, "/")
	for i := range parts {
		name := strings.Join(parts[:i+1], "/")
		if i < len(parts)-1 || isDir {
			err = root.Mkdir(name, passable)
		} else {
			var file *os.File
			if file, err = root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o600); err == nil {
				err = file.Close()
			}
		}
		switch {
		case err == nil:
			made = append(made, name)
		case !errors.Is(err, os.ErrExist):
			return made, err
		case i == len(parts)-1:
			// What is left of an earlier try; bind sees whether it is in use.
			info, err := root.Lstat(name)
			if err != nil {
				return made, err
			}
			if info.IsDir() != isDir {
				return made, fmt.Errorf("%s: %w", at, ErrExist)
			}
		}
	}
	return made, nil
}

// removeTargets takes makeTarget back.
func (f *Folder) removeTargets(made []string) error {
	if len(made) == 0 {
		return nil
	}
	root, err := f.writable()
	if err != nil {
		return err
	}
	defer root.Close()
	var errs []error
	for i := len(made) - 1; i >= 0; i-- {
		// Another container's mount may have come in between.
		if err := root.Remove(made[i]); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
