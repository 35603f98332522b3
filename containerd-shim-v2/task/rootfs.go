package task

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/api/types"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/overlay"
)

// rootfsName is the folder in a bundle that containerd has made for the mounts.
const rootfsName = "rootfs"

// mountFlags are the options of containerd's snapshotters that are flags of
// mount(2); others go to the file system.
var mountFlags = map[string]uintptr{
	"ro": unix.MS_RDONLY, "rw": 0, "bind": unix.MS_BIND, "rbind": unix.MS_BIND | unix.MS_REC,
	"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
	"noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME,
	"sync": unix.MS_SYNCHRONOUS, "defaults": 0,
}

// mountRootfs mounts what a snapshotter says on the bundle's rootfs, in order.
// After an error nothing is mounted.
func mountRootfs(bundle string, mounts []*types.Mount) error {
	target := filepath.Join(bundle, rootfsName)
	for _, m := range mounts {
		if err := mount(m, target); err != nil {
			return errors.Join(fmt.Errorf("root file system: mount %s (%s): %w", m.Source, m.Type, err), UnmountRootfs(bundle))
		}
	}
	return nil
}

func mount(m *types.Mount, target string) error {
	flags, data := split(m.Options)
	if m.Target != "" {
		return fmt.Errorf("target %s: only the root itself is mounted", m.Target)
	}
	if m.Type == "overlay" {
		return overlay.Mount(target, flags, data)
	}
	if len(data) >= unix.Getpagesize() {
		return fmt.Errorf("options of %d bytes are more than mount(2) takes", len(data))
	}
	// A bind's other flags need a second call (mount(2), "Creating a bind mount").
	rest := flags &^ (unix.MS_BIND | unix.MS_REC)
	if err := unix.Mount(m.Source, target, m.Type, flags, data); err != nil {
		return err
	}
	if flags&unix.MS_BIND != 0 && rest != 0 {
		return unix.Mount("", target, "", flags|unix.MS_REMOUNT, data)
	}
	return nil
}

func split(options []string) (flags uintptr, data string) {
	var rest []string
	for _, o := range options {
		if flag, ok := mountFlags[o]; ok {
			flags |= flag
		} else {
			rest = append(rest, o)
		}
	}
	return flags, strings.Join(rest, ",")
}

// UnmountRootfs unmounts all that is on a bundle's rootfs; nothing there is no
// error.
func UnmountRootfs(bundle string) error {
	target := filepath.Join(bundle, rootfsName)
	for {
		err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("unmount %s: %w", target, err)
		}
	}
}
