package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// driver finds out what to mount: the source, the type if the request names
// none, and options that the driver needs.
type driver struct {
	fstype  string
	options []string
	source  func(ctx context.Context, s *agentpb.Storage) (string, error)
}

var drivers = map[string]driver{
	"virtiofs":  {fstype: "virtiofs", source: tag},
	"9p":        {fstype: "9p", options: []string{"trans=virtio", "version=9p2000.L"}, source: tag},
	"blk":       {source: disk},
	"pmem":      {source: disk},
	"ephemeral": {fstype: "tmpfs", source: named("tmpfs")},
	"hugetlbfs": {fstype: "hugetlbfs", source: named("nodev")},
}

// local is the driver that mounts nothing: a folder in the guest.
const local = "local"

func named(name string) func(context.Context, *agentpb.Storage) (string, error) {
	return func(context.Context, *agentpb.Storage) (string, error) { return name, nil }
}

// tag: QEMU allows 31 bytes for 9p, virtiofs 36.
func tag(_ context.Context, s *agentpb.Storage) (string, error) {
	if s.Source == "" || len(s.Source) > 36 {
		return "", fmt.Errorf("%w: tag %q", ErrInvalid, s.Source)
	}
	return s.Source, nil
}

func disk(ctx context.Context, s *agentpb.Storage) (string, error) {
	if s.Fstype == "" {
		return "", fmt.Errorf("%w: fstype is missing", ErrInvalid)
	}
	return findDisk(ctx, s.Source)
}

func mountStorage(ctx context.Context, root string, s *agentpb.Storage) error {
	switch s.Driver {
	case local:
		return makeLocal(root, s)
	case folder:
		return bindFolder(root, s)
	case submount:
		return enter(root, s.MountPoint)
	}
	d, ok := drivers[s.Driver]
	if !ok {
		return fmt.Errorf("driver %q: %w", s.Driver, errors.ErrUnsupported)
	}
	fstype := s.Fstype
	if fstype == "" || d.fstype != "" {
		fstype = d.fstype
	}
	source, err := d.source(ctx, s)
	if err != nil {
		return err
	}
	flag, data := parseOptions(append(append([]string{}, d.options...), s.Options...))
	if flag&(unix.MS_BIND|unix.MS_REMOUNT|unix.MS_MOVE) != 0 {
		return fmt.Errorf("%w: a bind mount is no storage", ErrInvalid)
	}
	target, err := openBelow(root, s.MountPoint, true)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := unix.Mount(source, fdPath(target), fstype, flag, data); err != nil {
		return fmt.Errorf("%s %q with options %q: %w", fstype, source, data, err)
	}
	if s.FsGroup == 0 {
		return nil
	}
	if err := own(root, s); err != nil {
		return errors.Join(err, unmountStorage(root, s, unix.MNT_DETACH))
	}
	return nil
}

// own gives the mounted root to a group, which new files in it get, too.
func own(root string, s *agentpb.Storage) error {
	// Opened again: the handle from before the mount is what lies below it.
	dir, err := openBelow(root, s.MountPoint, false)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := os.Chown(fdPath(dir), -1, int(s.FsGroup)); err != nil {
		return fmt.Errorf("give to group %d: %w", s.FsGroup, err)
	}
	return os.Chmod(fdPath(dir), 0o775|fs.ModeSetgid)
}

// syncBelow writes a mounted file system back.
func syncBelow(root, point string) error {
	dir, err := openBelow(root, point, false)
	if err != nil {
		return err
	}
	defer dir.Close()
	// syncfs(2) refuses an O_PATH handle.
	f, err := os.Open(fdPath(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("write back %s: %w", point, err)
	}
	return nil
}

// makeLocal makes a folder. Of mount's options only "mode=0770" means anything.
func makeLocal(root string, s *agentpb.Storage) error {
	bits, err := numeric(s.Options, "mode", 8, 0o777)
	if err != nil {
		return err
	}
	mode := fs.FileMode(bits & 0o777)
	if bits&0o2000 != 0 {
		mode |= fs.ModeSetgid
	}
	if bits&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	dir, err := openBelow(root, s.MountPoint, true)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := os.Chmod(fdPath(dir), mode); err != nil {
		return err
	}
	if s.FsGroup != 0 {
		return own(root, s)
	}
	return nil
}

// unmountStorage unmounts a storage, or removes the folder that it is.
func unmountStorage(root string, s *agentpb.Storage, flags int) error {
	parent, err := openBelow(root, s.MountPoint, false)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if onDisk(s) {
		// The host may take the disk away when this returns.
		if err := syncBelow(root, s.MountPoint); err != nil {
			parent.Close()
			return err
		}
	}
	// Only its path is used below: an open handle would keep the mount busy.
	parent.Close()
	if s.Driver == local {
		return os.RemoveAll(s.MountPoint)
	}
	err = unix.Unmount(s.MountPoint, flags|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) {
		return nil // nothing is mounted there any more
	}
	if err != nil {
		return err
	}
	// The folder goes too, if it was made for this; it may hold other mounts.
	_ = os.Remove(filepath.Clean(s.MountPoint))
	return nil
}
