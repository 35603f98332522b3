package share

import (
	"fmt"
	"os"
	"strconv"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// Tag is the name by which the guest mounts the share.
const Tag = "kata"

// GuestDir is where the guest mounts the share.
const GuestDir = "/run/kata-containers/shared"

// Choice is how a sandbox's folder is shared, as it is kept in the state.
type Choice struct {
	// FS is VirtioFS or Virtio9P.
	FS string `json:"fs"`
	// Daemon is virtiofsd's path; with VirtioFS only.
	Daemon string `json:"daemon,omitempty"`
	// Reason says why FS was chosen, for a person.
	Reason string `json:"reason"`
}

// daemonPaths are where distributions put virtiofsd: Debian 13 and Fedora,
// Debian 12, Arch.
var daemonPaths = [...]string{"/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"}

// Choose decides between virtiofs and 9p. It fails if virtiofs is asked for
// and there is no daemon.
func (c Config) Choose() (Choice, error) {
	if c.SharedFS == Virtio9P {
		return Choice{FS: Virtio9P, Reason: `shared_fs = "virtio-9p"`}, nil
	}
	path, err := c.findDaemon()
	switch {
	case err == nil && c.SharedFS == VirtioFS:
		return Choice{FS: VirtioFS, Daemon: path, Reason: `shared_fs = "virtio-fs"`}, nil
	case err == nil:
		return Choice{FS: VirtioFS, Daemon: path, Reason: "found " + path}, nil
	case c.SharedFS == VirtioFS:
		return Choice{}, fmt.Errorf(`shared_fs = "virtio-fs": %w`, err)
	}
	return Choice{FS: Virtio9P, Reason: err.Error()}, nil
}

func (c Config) findDaemon() (string, error) {
	paths := daemonPaths[:]
	if c.VirtioFSDaemon != "" {
		paths = []string{c.VirtioFSDaemon}
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	if c.VirtioFSDaemon != "" {
		return "", fmt.Errorf("virtio_fs_daemon = %q: no such program; correct the path or set shared_fs = %q", c.VirtioFSDaemon, Virtio9P)
	}
	return "", fmt.Errorf("no virtiofsd found; install the package virtiofsd (Debian 12: qemu-system-common) or set virtio_fs_daemon")
}

// Device says what the VM needs for the share.
type Device struct {
	// Tag is Tag.
	Tag string
	// Path is the folder that QEMU exports; empty for virtiofs, which needs
	// Daemon.Connect instead.
	Path string
	// CacheMiB is the size of the DAX window; 0 for none.
	CacheMiB uint64
}

// Device answers what the VM needs to share the folder dir.
func (c Config) Device(choice Choice, f *Folder) Device {
	if choice.FS == VirtioFS {
		return Device{Tag: Tag, CacheMiB: uint64(c.VirtioFSCacheSize)}
	}
	return Device{Tag: Tag, Path: f.dir}
}

// Storage answers what the agent mounts, at GuestDir.
func (c Config) Storage(choice Choice) *agentpb.Storage {
	if choice.FS == VirtioFS {
		s := &agentpb.Storage{Driver: "virtiofs", Source: Tag, Fstype: "virtiofs", MountPoint: GuestDir}
		if c.VirtioFSCacheSize > 0 {
			s.Options = append(s.Options, "dax")
		}
		return s
	}
	msize := c.Msize9p
	if msize == 0 {
		msize = defaultMsize
	}
	return &agentpb.Storage{
		Driver: "9p", Source: Tag, Fstype: "9p", MountPoint: GuestDir,
		// mmap caches just enough for shared mappings (programs need those).
		Options: []string{"trans=virtio", "version=9p2000.L", "cache=mmap", "msize=" + strconv.FormatUint(uint64(msize), 10)},
	}
}
