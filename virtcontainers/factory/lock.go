package factory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/filelock"
)

// ErrBusy is the answer while somebody else makes or removes a template.
var ErrBusy = errors.New("another process is making or removing something in it")

// Locked is the folder in the hands of one process, until Unlock or its end.
type Locked struct {
	*Folder
	lock *os.File
}

func (f *Folder) lockPath() string { return filepath.Clean(f.path) + ".lock" }

// Lock takes the folder for making or removing, or answers ErrBusy.
func (f *Folder) Lock() (*Locked, error) { return f.take(filelock.Take) }

// Wait is Lock, but waits until ctx ends for who has the folder.
func (f *Folder) Wait(ctx context.Context) (*Locked, error) {
	return f.take(func(path string) (*os.File, error) { return filelock.Wait(ctx, path) })
}

func (f *Folder) take(how func(string) (*os.File, error)) (*Locked, error) {
	if err := os.MkdirAll(filepath.Dir(f.lockPath()), 0o755); err != nil {
		return nil, fmt.Errorf("factory: %w", err)
	}
	file, err := how(f.lockPath())
	if errors.Is(err, filelock.ErrHeld) {
		err = fmt.Errorf("%s: %w", f.path, ErrBusy)
	}
	if err != nil {
		return nil, fmt.Errorf("factory: %w", err)
	}
	return &Locked{f, file}, nil
}

// Unlock gives the folder back.
func (l *Locked) Unlock() { l.lock.Close() }

// mountSource is the source of a tmpfs that we have mounted, as mountinfo shows
// it: such a one is ours to unmount.
const mountSource = "kata-template"

// prepare makes the folder, on a tmpfs.
func (l *Locked) prepare() error {
	if err := os.MkdirAll(l.path, 0o700); err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	if err := l.private(); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(l.path, &st); err != nil {
		return fmt.Errorf("factory: %s: %w", l.path, err)
	}
	if st.Type == unix.TMPFS_MAGIC {
		return nil
	}
	err := unix.Mount(mountSource, l.path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700")
	if err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", l.path, err)
	}
	return nil
}

// private tells whether the folder is ours alone: a template is as good as the
// guest's memory, and nobody else may read or change that.
func (f *Folder) private() error {
	var st unix.Stat_t
	if err := unix.Stat(f.path, &st); err != nil {
		return fmt.Errorf("factory: %w", &os.PathError{Op: "stat", Path: f.path, Err: err})
	}
	if st.Mode&0o077 != 0 || st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%s is open to others (mode %#o, owner %d): name a folder of its own", f.path, st.Mode&0o777, st.Uid)
	}
	return nil
}

// Tidy removes a draft, and the folder if nothing else is in it. The VM of one in
// the making must have ended. It unlocks.
func (l *Locked) Tidy() error {
	err := l.clear(func(string) bool { return false })
	var left []os.DirEntry
	if err == nil {
		left, err = os.ReadDir(l.path)
	}
	if err == nil && len(left) == 0 {
		return l.Destroy()
	}
	l.Unlock()
	return err
}

// Destroy removes all templates, and the folder if nothing else is in it. The
// VM of one in the making must have ended. Clones live on. It unlocks.
func (l *Locked) Destroy() error {
	defer l.Unlock()
	if _, err := os.Lstat(l.path); err != nil {
		return os.Remove(l.lockPath())
	}
	if err := l.clear(func(string) bool { return true }); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(l.path)
	if err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(real))
	if err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	for _, m := range mounts {
		if m.Source != mountSource {
			continue
		}
		// Detached: clones that live keep its files open.
		if err := unix.Unmount(real, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", real, err)
		}
	}
	// A folder that holds something else, or is a mount of the user's, stays.
	if err := os.Remove(l.path); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("factory: %w", err)
	}
	return os.Remove(l.lockPath())
}

// clear removes what is ours in the folder: the draft, and the templates and
// notes of failures whose key is one to drop.
func (l *Locked) clear(drop func(key string) bool) error {
	entries, err := os.ReadDir(l.path)
	if err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	// Deleting through a mount would delete what is not ours.
	real, err := filepath.EvalSymlinks(l.path)
	if err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(filepath.Join(real, vmDir)))
	if err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	if len(mounts) > 0 {
		return fmt.Errorf("factory: %s is still mounted", mounts[0].Mountpoint)
	}
	for _, e := range entries {
		key := strings.TrimSuffix(e.Name(), failedSuffix)
		if e.Name() != draftDir && e.Name() != vmDir && !(validKey().MatchString(key) && drop(key)) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(l.path, e.Name())); err != nil {
			return fmt.Errorf("factory: %w", err)
		}
	}
	return nil
}
