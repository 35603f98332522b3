// Package emptydir finds the kubelet's volumes of memory among bind mounts. The
// host has a tmpfs or hugetlbfs for each; a VM has better use for one of its own,
// whose pages are the guest's: they count for who writes them, and need no share.
package emptydir

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Elements of the paths that the kubelet mounts (kubernetes, pkg/volume/emptydir
// and pkg/kubelet: PODS/UID/volumes/kubernetes.io~empty-dir/NAME and
// PODS/UID/volume-subpaths/NAME/CONTAINER/INDEX).
const (
	plugin   = "kubernetes.io~empty-dir"
	subPaths = "volume-subpaths"
)

// Volume is a volume of memory, or a folder in one.
type Volume struct {
	// Path is the volume's root on the host, and names it.
	Path string `json:"path"`
	// Sub is what is mounted of it, relative; empty for all of it.
	Sub string `json:"sub,omitempty"`
	// PageSize is that of a hugetlbfs in bytes; 0 for a tmpfs, which has Size
	// (0 is no limit).
	PageSize uint64 `json:"page_size,omitempty"`
	Size     uint64 `json:"size,omitempty"`
	// Flags are the mount's that hold for what is in it: "nosuid", "nodev", "noexec".
	Flags []string `json:"flags,omitempty"`
	// Root and Folder are who owns the root, and the folder that is mounted.
	Root   Owner `json:"root"`
	Folder Owner `json:"folder"`
}

// Owner is what stat(2) says of a folder; Mode are its permissions.
type Owner struct {
	Mode uint32 `json:"mode"`
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
}

// Find answers the volume of memory that a bind mount of source would mount; nil
// if it is none.
func Find(source string) (*Volume, error) {
	if !hasElement(source, plugin) && !hasElement(source, subPaths) {
		return nil, nil
	}
	path, err := filepath.EvalSymlinks(source)
	if err != nil {
		return nil, err
	}
	kind, err := statfs(path)
	if err != nil || kind.Type != unix.TMPFS_MAGIC && kind.Type != unix.HUGETLBFS_MAGIC {
		return nil, err
	}
	v, err := locate(path)
	if v == nil || err != nil {
		return nil, err
	}
	if v.Folder, err = owner(path); err != nil {
		return nil, err
	}
	if v.Root, err = owner(v.Path); err != nil {
		return nil, err
	}
	root, err := statfs(v.Path)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		flag int64
		name string
	}{{unix.ST_NOSUID, "nosuid"}, {unix.ST_NODEV, "nodev"}, {unix.ST_NOEXEC, "noexec"}} {
		if root.Flags&f.flag != 0 {
			v.Flags = append(v.Flags, f.name)
		}
	}
	if kind.Type == unix.HUGETLBFS_MAGIC {
		v.PageSize = uint64(root.Bsize)
	} else {
		v.Size = root.Blocks * uint64(root.Bsize)
	}
	return v, nil
}

// locate answers the volume that a path lies in, by the mounts: a subPath is a
// mount of its own, of a folder of the same file system. nil if the path is no
// folder of an emptyDir (a secret is a tmpfs, too).
func locate(path string) (*Volume, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil, err
	}
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read the mounts: %w", err)
	}
	var at *mountinfo.Info
	for _, m := range mounts {
		// Of those at one place, the last is the one that is seen.
		if within(path, m.Mountpoint) && (at == nil || len(m.Mountpoint) >= len(at.Mountpoint)) {
			at = m
		}
	}
	if at == nil {
		return nil, nil
	}
	for _, m := range mounts {
		if m.Major == at.Major && m.Minor == at.Minor && m.Root == "/" && hasElement(m.Mountpoint, plugin) {
			sub := filepath.Join(at.Root, strings.TrimPrefix(path, at.Mountpoint))
			return &Volume{Path: m.Mountpoint, Sub: strings.TrimPrefix(sub, "/")}, nil
		}
	}
	return nil, nil
}

// HasFiles tells whether there is anything in the volume on the host but folders,
// which the kubelet makes for subPaths.
func (v *Volume) HasFiles() (bool, error) {
	found := false
	err := filepath.WalkDir(v.Path, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found = true
			return filepath.SkipAll
		}
		return err
	})
	return found, err
}

func hasElement(path, element string) bool {
	return slices.Contains(strings.Split(path, "/"), element)
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

func statfs(path string) (unix.Statfs_t, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return st, fmt.Errorf("statfs %s: %w", path, err)
	}
	return st, nil
}

func owner(path string) (Owner, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Owner{}, fmt.Errorf("stat %s: %w", path, err)
	}
	return Owner{st.Mode & 0o7777, st.Uid, st.Gid}, nil
}
