// Package storage mounts what containers need in the guest, and unmounts what
// none needs any more.
package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrInvalid is wrapped when a request cannot be meant.
	ErrInvalid = errors.New("invalid storage")
	// ErrNotFound is wrapped when nothing is mounted there.
	ErrNotFound = errors.New("no such storage")
	// ErrExists is wrapped when something is mounted there.
	ErrExists = errors.New("storage exists")
	// ErrInUse is wrapped when a container uses it.
	ErrInUse = errors.New("storage is in use")
)

// Root is the folder below which the host may have things mounted or written.
const Root = "/run/kata-containers"

// CheckPath answers an error unless path is absolute, clean and below root.
func CheckPath(root, path string) error {
	switch {
	case !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsRune(path, 0):
		return fmt.Errorf("%w: path %q is not absolute and clean", ErrInvalid, path)
	case !strings.HasPrefix(path, root+"/"):
		return fmt.Errorf("%w: path %q is not below %s", ErrInvalid, path, root)
	}
	return nil
}

// openBelow opens a folder below root, without following a symlink anywhere
// below it: what containers share may hold links that point elsewhere. With
// create, folders that are missing are made. The answer is an O_PATH handle,
// to be used as /proc/self/fd/N.
func openBelow(root, path string, create bool) (*os.File, error) {
	if !create {
		return walk(root, path, nil)
	}
	return walk(root, path, func(dir int, name string) error { return unix.Mkdirat(dir, name, 0o755) })
}

// walk is openBelow with a function, which may be nil, that makes each folder;
// it answers EEXIST for one that is there.
func walk(root, path string, make func(dir int, name string) error) (*os.File, error) {
	if err := CheckPath(root, path); err != nil {
		return nil, err
	}
	if make != nil {
		if err := os.MkdirAll(root, 0o755); err != nil {
			return nil, err
		}
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", root, err)
	}
	for _, name := range strings.Split(strings.TrimPrefix(path, root+"/"), "/") {
		if make != nil {
			if err := make(fd, name); err != nil && !errors.Is(err, unix.EEXIST) {
				unix.Close(fd)
				return nil, fmt.Errorf("make folder %s: %w", path, err)
			}
		}
		next, err := unix.Openat(fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		if err != nil {
			if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
				return nil, fmt.Errorf("%w: %q in %s is not a folder", ErrInvalid, name, path)
			}
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		fd = next
	}
	return os.NewFile(uintptr(fd), path), nil
}

// OpenFolder opens root or a folder below it, making what is missing and
// following no symlink below root. The answer is an O_PATH handle.
func OpenFolder(root, path string) (*os.File, error) {
	if path != root {
		return openBelow(root, path, true)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", root, err)
	}
	return os.NewFile(uintptr(fd), root), nil
}

func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
