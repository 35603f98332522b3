package share

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Detached answers a shared folder that is mounted nowhere yet, for a QEMU that
// runs before its sandbox has a folder. It is a tmpfs of its own, which takes
// the mount points only; it ends with its open files unless Attach gives it a
// place.
func Detached() (_ *os.File, err error) {
	fail := func(step string, err error) (*os.File, error) {
		return nil, fmt.Errorf("make detached shared folder: %s: %w", step, err)
	}
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fail("fsopen", err)
	}
	defer unix.Close(fs)
	// Each container needs an inode for itself and some for its mounts.
	for _, option := range [][2]string{{"mode", fmt.Sprintf("%o", passable)}, {"size", "16m"}, {"source", "kata"}} {
		if err := unix.FsconfigSetString(fs, option[0], option[1]); err != nil {
			return fail(option[0], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return fail("fsconfig", err)
	}
	// Read-only for the guest, as New makes it.
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return fail("fsmount", err)
	}
	return os.NewFile(uintptr(fd), "shared folder"), nil
}

// Attach makes a detached folder the one of dir, which must not exist. After an
// error nothing is left.
func Attach(detached *os.File, dir string) (_ *Folder, err error) {
	if err := os.Mkdir(dir, passable); err != nil {
		return nil, fmt.Errorf("attach shared folder: %w", err)
	}
	f, err := Open(dir)
	if err == nil {
		if err = unix.MoveMount(int(detached.Fd()), "", unix.AT_FDCWD, f.dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			err = fmt.Errorf("move_mount: %w", err)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("attach shared folder %s: %w", dir, err), os.Remove(dir))
	}
	return f, nil
}
