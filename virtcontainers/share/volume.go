package share

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Source is a folder or regular file of the host that is to be shared. It is
// open, so that what is looked at is what is bound.
type Source struct {
	file  *os.File
	isDir bool
}

// OpenSource opens what is to be a volume; a link is followed, once. The caller
// closes it.
func OpenSource(path string) (*Source, error) {
	file, isDir, err := openSource(path)
	if err != nil {
		return nil, err
	}
	return &Source{file, isDir}, nil
}

// Close closes it.
func (s *Source) Close() error { return s.file.Close() }

// IsDir tells whether it is a folder.
func (s *Source) IsDir() bool { return s.isDir }

// Name is the last element of its path, as a place's name: programs look at it
// in mountinfo.
func (s *Source) Name() string { return lastElement(s.file.Name()) }

// Key is the same for two sources that are the same folder or file and would be
// bound alike: one place in the folder does for both. The kernel keeps the inode
// while that place is, so that its number means nothing else.
func (s *Source) Key(o MountOptions) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.file.Fd()), &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: s.file.Name(), Err: err}
	}
	// A bind mount inherits the flags (read-only, nosuid, ...) of the mount that it
	// is made from.
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(s.file.Fd()), &fs); err != nil {
		return "", &os.PathError{Op: "statfs", Path: s.file.Name(), Err: err}
	}
	return fmt.Sprintf("%x:%x:%x:%t", st.Dev, st.Ino, fs.Flags, o.ReadOnly), nil
}

// Flags answers what the source's mount forbids (nosuid, nodev, noexec), as
// options. The guest's mount of the share knows nothing of it.
func (s *Source) Flags() ([]string, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(s.file.Fd()), &st); err != nil {
		return nil, &os.PathError{Op: "statfs", Path: s.file.Name(), Err: err}
	}
	var flags []string
	for _, f := range []struct {
		flag int64
		name string
	}{{unix.ST_NOSUID, "nosuid"}, {unix.ST_NODEV, "nodev"}, {unix.ST_NOEXEC, "noexec"}} {
		if st.Flags&f.flag != 0 {
			flags = append(flags, f.name)
		}
	}
	return flags, nil
}

// AddVolume binds a source for all containers of the sandbox, at a place that the
// caller chooses, and answers its path in the guest. Two containers that lock or
// map a file have to find it at the same place: the guest's kernel knows two
// mounts of the host as two file systems. What is mounted below does not come
// along (Below). It is idempotent; after an error nothing is left.
func (f *Folder) AddVolume(place, name string, s *Source, o MountOptions) (guestPath string, err error) {
	if err := checkPlace(place); err != nil {
		return "", err
	}
	at := place + "/" + lastElement(name)
	if err := f.set(s.file, s.isDir, at, o, false); err != nil && !errors.Is(err, ErrExist) {
		return "", err
	}
	return GuestDir + "/" + at, nil
}
