package storage

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// folder is the driver for a folder in another storage: a subPath. It gets a
// mount of its own, made by an open handle, because the containers that write
// in the storage can put a link in the place of a folder at any time.
const folder = "folder"

// bindFolder makes what is missing of the source, with the mode and owner that
// the options name, and binds it. What is there keeps its own.
func bindFolder(root string, s *agentpb.Storage) error {
	mode, err := numeric(s.Options, "mode", 8, 0o755)
	if err != nil {
		return err
	}
	uid, err := numeric(s.Options, "uid", 10, 0)
	if err != nil {
		return err
	}
	gid, err := numeric(s.Options, "gid", 10, 0)
	if err != nil {
		return err
	}
	source, err := walk(root, s.Source, func(dir int, name string) error {
		// Nobody gets in before it has its owner.
		if err := unix.Mkdirat(dir, name, 0o700); err != nil {
			return err
		}
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		made := os.NewFile(uintptr(fd), name)
		defer made.Close()
		if err := made.Chown(int(uid), int(gid)); err != nil {
			return err
		}
		// After the owner, whose change takes setgid away.
		return unix.Fchmod(fd, mode)
	})
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := openBelow(root, s.MountPoint, true)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := unix.Mount(fdPath(source), fdPath(target), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", s.Source, err)
	}
	return nil
}
