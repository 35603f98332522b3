package share

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrUnsupportedFile is the answer for a socket, FIFO or device as a volume:
// what is on the other side of it cannot be reached from the guest.
var ErrUnsupportedFile = errors.New("cannot be shared with a VM")

// ErrExist is the answer for a mount that was added before.
var ErrExist = errors.New("is mounted already")

// ErrUnbindable is the answer for a source that cannot be mounted elsewhere: most
// likely it has been unmounted or removed since it was opened.
var ErrUnbindable = errors.New("the source cannot be bound any more")

// Folder is a sandbox's shared folder, mounted on itself:
//   - read-only, so that a hostile guest can write into the mounts below it, but
//     cannot fill the host's file system or put a link in a mount's way;
//   - as a peer group of its own, so that mounts which come and go reach a
//     virtiofsd in its own mount namespace, and nobody else.
//
// Needs Linux 5.12 (mount_setattr(2)).
type Folder struct {
	dir string
}

// MountOptions say how AddMount and AddVolume bind.
type MountOptions struct {
	// ReadOnly is enforced on the host.
	ReadOnly bool
	// Slave lets mounts that the host makes below the source later appear in the
	// guest, and binds those that are there along, read-only if this one is.
	// Nothing that is mounted in the guest ever comes back to the host, so
	// "shared" is not to be had.
	Slave bool
}

// passable is the mode of the folders that lead to a mount: in the guest, the
// root of a user namespace has to come through them to the container's root
// file system. On the host nobody comes this far: what they lie in is 0700.
const passable = 0o711

// New makes the folder dir, which must not exist, and mounts it on itself.
// After an error nothing is left.
func New(dir string) (*Folder, error) {
	if err := os.Mkdir(dir, passable); err != nil {
		return nil, fmt.Errorf("make shared folder: %w", err)
	}
	f, err := Open(dir)
	if err == nil {
		err = f.mountSelf()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make shared folder %s: %w", dir, err), os.Remove(dir))
	}
	return f, nil
}

func (f *Folder) mountSelf() error {
	// Private first: it must not stay a peer of the mount that it was cloned from.
	tree, err := openTree(unix.AT_FDCWD, f.dir, 0, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY, Propagation: unix.MS_PRIVATE})
	if err != nil {
		return err
	}
	defer tree.Close()
	if err := unix.MoveMount(int(tree.Fd()), "", unix.AT_FDCWD, f.dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	if err := unix.Mount("", f.dir, "", unix.MS_SHARED, ""); err != nil {
		return errors.Join(fmt.Errorf("make it a peer group: %w", err), unix.Unmount(f.dir, unix.UMOUNT_NOFOLLOW))
	}
	return nil
}

// Open answers the folder that New made, perhaps in another process.
func Open(dir string) (*Folder, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return nil, fmt.Errorf("open shared folder: %w", err)
	}
	return &Folder{real}, nil
}

// Dir is the folder's path.
func (f *Folder) Dir() string { return f.dir }

// RootfsName is what a container's root file system is called in its place.
const RootfsName = "rootfs"

// AddRootfs binds the root file system at hostPath, with all that is mounted
// below it, for the container whose place it is, and answers its path in the
// guest. After an error nothing is left.
func (f *Folder) AddRootfs(place, hostPath string, readonly bool) (guestPath string, err error) {
	return f.add(place, RootfsName, hostPath, MountOptions{ReadOnly: readonly}, true, true)
}

// AddMount binds a folder or regular file as the n-th mount (n is the caller's to
// choose) of the container whose place it is, for this one alone, and answers its
// path in the guest, whose last element is that of hostPath. What is mounted below
// it does not come along (Below), unless it is a slave. A link in hostPath is
// followed, once. After an error nothing is left.
func (f *Folder) AddMount(place string, n int, hostPath string, o MountOptions) (guestPath string, err error) {
	if n < 0 {
		return "", fmt.Errorf("share %s: mount number %d is negative", hostPath, n)
	}
	return f.add(place, "mounts/"+strconv.Itoa(n)+"/"+lastElement(hostPath), hostPath, o, o.Slave, false)
}

// lastElement answers the last element of an absolute path as one name for a
// place in the folder: "root" for the root, which has none.
func lastElement(path string) string {
	if name := filepath.Base(filepath.Clean("/" + path)); name != "/" {
		return name
	}
	return "root"
}

func (f *Folder) add(place, name, hostPath string, o MountOptions, recursive, dirOnly bool) (string, error) {
	if err := checkPlace(place); err != nil {
		return "", err
	}
	source, isDir, err := openSource(hostPath)
	if err != nil {
		return "", err
	}
	defer source.Close()
	if dirOnly && !isDir {
		return "", fmt.Errorf("root file system %s: %w", hostPath, unix.ENOTDIR)
	}
	at := place + "/" + name
	if err := f.set(source, isDir, at, o, recursive); err != nil {
		return "", err
	}
	return GuestDir + "/" + at, nil
}

// set makes a folder or file in the folder and binds what is open there. After an
// error nothing is left that was not there before.
func (f *Folder) set(source *os.File, isDir bool, at string, o MountOptions, recursive bool) error {
	made, err := f.makeTarget(at, isDir)
	if err == nil {
		err = f.bind(source, at, o, recursive)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("share %s as %s: %w", source.Name(), at, err), f.removeTargets(made))
	}
	return nil
}

// openSource opens what is to be bound, so that its type cannot change between
// the check and the mount.
func openSource(path string) (f *os.File, isDir bool, err error) {
	// As a folder first: that mounts an automount, which O_PATH alone does not
	// (open(2)), as runc's mount(2) would.
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) {
		fd, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, false, &os.PathError{Op: "share", Path: path, Err: err}
	}
	f = os.NewFile(uintptr(fd), path)
	if isDir, err = checkKind(f); err != nil {
		f.Close()
		return nil, false, err
	}
	return f, isDir, nil
}

// checkKind refuses what is neither a folder nor a regular file.
func checkKind(f *os.File) (isDir bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	kind := ""
	switch mode := info.Mode(); {
	case mode.IsDir(), mode.IsRegular():
		return mode.IsDir(), nil
	case mode&os.ModeSocket != 0:
		kind = "socket"
	case mode&os.ModeNamedPipe != 0:
		kind = "FIFO"
	case mode&os.ModeDevice != 0:
		kind = "device"
	default:
		kind = mode.Type().String()
	}
	return false, fmt.Errorf("%s is a %s, which %w", f.Name(), kind, ErrUnsupportedFile)
}

// bind mounts source at the place at in the folder. The mount gets its flags
// and propagation before anyone sees it.
func (f *Folder) bind(source *os.File, at string, o MountOptions, recursive bool) error {
	target, err := f.openTarget(at)
	if err != nil {
		return err
	}
	defer target.Close()
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if o.Slave {
		attr.Propagation = unix.MS_SLAVE
	}
	if o.ReadOnly {
		attr.Attr_set = unix.MOUNT_ATTR_RDONLY
	}
	flags := uint(0)
	if recursive {
		flags = unix.AT_RECURSIVE
	}
	tree, err := openTree(int(source.Fd()), "", flags, attr)
	if err != nil {
		return unbindable(err)
	}
	defer tree.Close()
	return unbindable(move(tree, target))
}

// openTarget opens a place that makeTarget has made; ErrExist if something is
// mounted there.
func (f *Folder) openTarget(at string) (*os.File, error) {
	target, err := f.open(at, unix.RESOLVE_NO_XDEV)
	if errors.Is(err, unix.EXDEV) {
		return nil, ErrExist
	}
	return target, err
}

// move gives a detached mount its place.
func move(tree, target *os.File) error {
	if err := unix.MoveMount(int(tree.Fd()), "", int(target.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return nil
}

// unbindable marks what open_tree and move_mount say of a source that was
// unmounted (EINVAL) or removed (ENOENT).
func unbindable(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", ErrUnbindable, err)
	}
	return err
}

// openTree answers a detached copy of the mount at path with attr; flags may be
// AT_RECURSIVE, for attr too.
func openTree(dirfd int, path string, flags uint, attr unix.MountAttr) (*os.File, error) {
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	fd, err := unix.OpenTree(dirfd, path, flags|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open_tree: %w", err)
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|flags&unix.AT_RECURSIVE, &attr); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("mount_setattr: %w", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// open opens a place in the folder by path only, without following a link.
func (f *Folder) open(at string, resolve uint64) (*os.File, error) {
	dir, err := unix.Open(f.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: f.dir, Err: err}
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, at, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | resolve,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(f.dir, at), Err: err}
	}
	return os.NewFile(uintptr(fd), at), nil
}
