// Package stage makes this process's mount namespace look like the container
// that it stands for. Engines join the namespaces of the pid that they know:
// podman cp of a running container writes below its root, podman top reads its
// /proc. Without a stage those would be the host's.
package stage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/newroot"
	"github.com/kata-go/kata-runtime/internal/view"
)

// Stage is what the container sees of the host's files.
type Stage view.View

// Volume is a folder or file of the host.
type Volume = view.Volume

// Enter turns this process's root into the stage. The process must be the
// first of a pid namespace and alone in a mount namespace: clone(2) with
// CLONE_NEWPID and CLONE_NEWNS. The working folder stays, and can be reached
// by file descriptors only. After an error the mounts are half made, and the
// process had better end. Missing are the guest's own file systems but /proc,
// which has this process only, and volumes whose places the guest has not made.
//
// A root without a folder /proc, which the guest can take away, cannot be the
// stage: without one, what is open cannot be named. Then the stage is empty but
// for its /proc, and nobody can write in it. In no case it stays the host's.
func (s *Stage) Enter() error {
	// What the Go runtime reads at its first use, it must not find in a root
	// that the guest can write to.
	_, _ = time.Now().Zone()
	cwd, err := os.Open(".")
	if err != nil {
		return err
	}
	defer cwd.Close()
	if err := newroot.Private(); err != nil {
		return err
	}
	root, err := filepath.EvalSymlinks(s.Root)
	if err != nil {
		return err
	}
	if on(root, "/proc", func(string) error { return nil }) == nil {
		err = s.build(root)
	} else {
		root, err = newroot.Empty(addProc)
	}
	if err != nil {
		return err
	}
	if err := newroot.Enter(root); err != nil {
		return err
	}
	return unix.Fchdir(int(cwd.Fd()))
}

// build mounts what the container sees on its root file system.
func (s *Stage) build(root string) error {
	if err := bind(root, root, Volume{ReadOnly: s.ReadOnly, Recursive: true}); err != nil {
		return fmt.Errorf("root %s: %w", root, err)
	}
	for _, v := range s.Volumes {
		err := on(root, v.Path, func(place string) error { return bind(v.Source, place, v) })
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return fmt.Errorf("volume %s: %w", v.Path, err)
		}
	}
	if err := on(root, "/proc", mountProc); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	return nil
}

// addProc gives an empty root its /proc.
func addProc(root string) error {
	place := filepath.Join(root, "proc")
	if err := os.Mkdir(place, 0o555); err != nil {
		return err
	}
	if err := mountProc(place); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	return nil
}

func mountProc(place string) error {
	return unix.Mount("proc", place, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// bind mounts a place of the host in the way of v. A detached tree, because a
// place that is a link to an open file cannot be named again once something is
// mounted on it.
func bind(source, place string, v Volume) error {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_RECURSIVE)
	if v.Alone {
		flags &^= unix.AT_RECURSIVE
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, flags)
	if err != nil {
		return fmt.Errorf("bind %s: open_tree: %w", source, err)
	}
	defer unix.Close(tree)
	if v.ReadOnly {
		attr, flags := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}, uint(unix.AT_EMPTY_PATH)
		if v.Recursive {
			flags |= unix.AT_RECURSIVE
		}
		if err := unix.MountSetattr(tree, "", flags, attr); err != nil {
			return fmt.Errorf("bind %s: mount_setattr: %w", source, err)
		}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS); err != nil {
		return fmt.Errorf("bind %s: move_mount: %w", source, err)
	}
	return nil
}

// on finds a place inside of the root, whose links the guest may have made,
// and calls do with a path that names just that place.
func on(root, path string, do func(place string) error) error {
	place, err := pathrs.OpenInRoot(root, path)
	if err != nil {
		return err
	}
	defer place.Close()
	return do(fmt.Sprintf("/proc/self/fd/%d", place.Fd()))
}

// Address answers a form of an agent's address that stays good behind Enter,
// which takes paths away. The folder is open from then on until the process ends.
func Address(agent string) (string, error) {
	path, ok := strings.CutPrefix(agent, "unix://")
	if !ok {
		return agent, nil
	}
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Dir(path), err)
	}
	return fmt.Sprintf("unix:///proc/self/fd/%d/%s", fd, filepath.Base(path)), nil
}
