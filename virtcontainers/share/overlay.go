package share

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	overlayfs "github.com/kata-go/kata-runtime/internal/overlay"
	"github.com/kata-go/kata-runtime/internal/thread"
)

// AddOverlay makes an overlay of folders of the host and mounts it as the n-th
// mount (n is the caller's to choose) of the container whose place it is. data is
// what internal/overlay takes ("lowerdir=...,upperdir=...,workdir=...").
// It answers the path in the guest. After an error nothing is left.
func (f *Folder) AddOverlay(place string, n int, data string, o MountOptions) (guestPath string, err error) {
	if err := checkPlace(place); err != nil {
		return "", err
	}
	if n < 0 {
		return "", fmt.Errorf("share an overlay: mount number %d is negative", n)
	}
	tree, err := overlay(f.dir, data, o)
	if err != nil {
		return "", err
	}
	defer tree.Close()
	at := place + "/mounts/" + strconv.Itoa(n) + "/overlay"
	made, err := f.makeTarget(at, true)
	if err == nil {
		err = f.settle(tree, at)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("share an overlay as %s: %w", at, err), f.removeTargets(made))
	}
	return GuestDir + "/" + at, nil
}

func (f *Folder) settle(tree *os.File, at string) error {
	target, err := f.openTarget(at)
	if err != nil {
		return err
	}
	defer target.Close()
	return move(tree, target)
}

// overlay answers a new overlay that is mounted nowhere, and ends with its last
// use. cover is any folder. fsconfig(2) would take no value of more than 255 bytes,
// which lower folders have: so it is mounted by mount(2), in a mount namespace that
// ends with the thread, and nobody else ever sees it there.
func overlay(cover, data string, o MountOptions) (tree *os.File, err error) {
	from, data, err := overlayfs.Options(data)
	if err != nil {
		return nil, err
	}
	err = thread.Run(func() (bool, error) {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return true, fmt.Errorf("unshare: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return false, fmt.Errorf("make the mounts slaves: %w", err)
		}
		// The thread has a working folder of its own by now (unshare(2), CLONE_NEWNS).
		if from != "" {
			if err := unix.Chdir(from); err != nil {
				return false, fmt.Errorf("lower folders in %s: %w", from, err)
			}
		}
		if err := unix.Mount("overlay", cover, "overlay", 0, data); err != nil {
			return false, fmt.Errorf("mount: %w", err)
		}
		attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
		if o.ReadOnly {
			attr.Attr_set = unix.MOUNT_ATTR_RDONLY
		}
		tree, err = openTree(unix.AT_FDCWD, cover, 0, attr)
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("make the overlay %q: %w", data, err)
	}
	return tree, nil
}
