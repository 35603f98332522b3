package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/oci"
)

// makeMountPoints makes what is missing of the places where a read-only root
// file system is to be mounted upon. The guest could not: it gets the file
// system read-only, from the host, while runc on a host makes them before it
// turns it read-only. Links in it are followed inside it.
func makeMountPoints(rootfs string, mounts []specs.Mount) error {
	root, err := os.Open(rootfs)
	if err != nil {
		return err
	}
	defer root.Close()
	for i, m := range mounts {
		if below(m.Destination, mounts[:i]) {
			continue // made in that mount, by the guest
		}
		err := makeMountPoint(root, m)
		if errors.Is(err, unix.EROFS) {
			return nil // on the host, too: the guest tells if one is missing
		}
		if err != nil {
			return fmt.Errorf("mounts[%d] (%s): make its mount point in %s: %w", i, m.Destination, rootfs, err)
		}
	}
	return nil
}

// below tells whether a place is inside of what is mounted earlier.
func below(place string, earlier []specs.Mount) bool {
	place = path.Clean("/" + place)
	for _, m := range earlier {
		if at := path.Clean("/" + m.Destination); at != "/" && strings.HasPrefix(place, at+"/") {
			return true
		}
	}
	return false
}

func makeMountPoint(root *os.File, m specs.Mount) error {
	place := path.Clean("/" + m.Destination)
	at, err := pathrs.OpenatInRoot(root, place)
	if err == nil {
		return at.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !ontoFile(m) {
		return closing(pathrs.MkdirAllHandle(root, place, 0o755))
	}
	dir, err := pathrs.MkdirAllHandle(root, path.Dir(place), 0o755)
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), path.Base(place), unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o755)
	if errors.Is(err, unix.EEXIST) {
		return nil // a link to nowhere: the guest refuses it by name
	}
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// ontoFile tells whether the mount needs a file: what is bound is none of a folder.
func ontoFile(m specs.Mount) bool {
	if kind := oci.KindOf(m); kind != oci.Shared && kind != oci.KernelView {
		return false
	}
	info, err := os.Stat(m.Source)
	return err == nil && !info.IsDir()
}

func closing(f *os.File, err error) error {
	if err != nil {
		return err
	}
	return f.Close()
}
