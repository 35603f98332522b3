package share

import "errors"

// ErrUnsupportedFile is the answer for a socket, FIFO or device as a volume:
// what is on the other side of it cannot be reached from the guest.
var ErrUnsupportedFile = errors.New("cannot be shared with a VM")

// ErrBusy says that a mount was in use when it was taken away: it is detached,
// and goes when its last user does.
var ErrBusy = errors.New("mount was still in use")

// Folder is a sandbox's shared folder.
type Folder struct {
	dir string
}

// MountOptions say how AddMount binds.
type MountOptions struct {
	// ReadOnly is enforced on the host, for the mounts below it too.
	ReadOnly bool
	// NonRecursive binds the one mount without those below it ("bind" instead of "rbind").
	NonRecursive bool
	// Slave lets mounts that the host makes below the source later appear in the
	// guest. Nothing that is mounted in the guest ever comes back to the host, so
	// "shared" is not to be had.
	Slave bool
}

// New makes the folder dir and mounts it on itself.
func New(dir string) (*Folder, error) { return nil, errors.New("share: not there yet") }

// Open answers the folder that New made, perhaps in another process.
func Open(dir string) (*Folder, error) { return nil, errors.New("share: not there yet") }

// AddRootfs binds a root file system and answers its path in the guest.
func (f *Folder) AddRootfs(containerID, hostPath string, readonly bool) (guestPath string, err error) {
	return "", errors.New("share: not there yet")
}

// AddMount binds a folder or regular file as the container's n-th mount and
// answers its path in the guest.
func (f *Folder) AddMount(containerID string, n int, hostPath string, o MountOptions) (guestPath string, err error) {
	return "", errors.New("share: not there yet")
}

// RemoveContainer takes away what was added for a container; idempotent.
func (f *Folder) RemoveContainer(containerID string) error {
	return errors.New("share: not there yet")
}

// Remove takes everything away; idempotent.
func (f *Folder) Remove() error { return errors.New("share: not there yet") }
