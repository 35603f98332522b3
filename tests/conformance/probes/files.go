package main

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// filesystems that a container with CAP_SYS_ADMIN can mount without a device.
func filesystems() []probe {
	var list []probe
	for _, kind := range []string{
		"tmpfs", "ramfs", "proc", "sysfs", "devpts", "mqueue", "cgroup2", "hugetlbfs", "overlay", "bpf", "tracefs", "debugfs",
		"securityfs", "configfs", "fusectl", "binfmt_misc", "autofs", "devtmpfs", "pstore", "efivarfs", "rpc_pipefs", "nfsd",
	} {
		list = append(list, probe{"mount " + kind, onThread(func() error { return mounts(kind) })})
	}
	return list
}

// mounts mounts a file system in a namespace that goes with the thread.
func mounts(kind string) error {
	dir, err := os.MkdirTemp("", "probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	options := ""
	if kind == "overlay" {
		// Overlayfs cannot be on itself.
		if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			return err
		}
		for _, sub := range []string{"lower", "upper", "work", "all"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
				return err
			}
		}
		options = strings.NewReplacer("DIR", dir).Replace("lowerdir=DIR/lower,upperdir=DIR/upper,workdir=DIR/work")
		if err := unix.Mount("none", filepath.Join(dir, "all"), kind, 0, options); err != nil {
			return err
		}
		return unix.Unmount(dir, unix.MNT_DETACH)
	}
	if err := unix.Mount("none", dir, kind, 0, options); err != nil {
		return err
	}
	return unix.Unmount(dir, unix.MNT_DETACH)
}

// paths that programs read or write: those of Linux 6.1, as Debian configures it,
// one on a line.
//
//go:embed files.txt
var paths string

func files() []probe {
	var list []probe
	for path := range strings.Lines(paths) {
		path = strings.TrimSpace(path)
		list = append(list, probe{"file " + path, func() error {
			_, err := os.Lstat(path)
			return err
		}})
	}
	return list
}
