// Package overlay mounts overlay file systems of more layers than fit into the
// one page of options that mount(2) takes.
package overlay

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/thread"
)

// Mount mounts an overlay on target by the options in data ("lowerdir=...,
// upperdir=...,workdir=..."), which may be what Options takes. An error leaves
// nothing.
func Mount(target string, flags uintptr, data string) error {
	from, short, err := Options(data)
	if err != nil {
		return err
	}
	if from == "" {
		return unix.Mount("overlay", target, "overlay", flags, short)
	}
	if target, err = filepath.Abs(target); err != nil {
		return err
	}
	return thread.Run(func() (bool, error) {
		// A working folder of the thread's own, which ends with it.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return false, fmt.Errorf("overlay: unshare: %w", err)
		}
		if err := unix.Chdir(from); err != nil {
			return false, fmt.Errorf("overlay: lower folders in %s: %w", from, err)
		}
		return false, unix.Mount("overlay", target, "overlay", flags, short)
	})
}

// Options answers what mount(2) can be given in place of data, and the folder to be
// in then; "" if any will do. Lower folders of absolute paths may have more than a
// page, if what is left of it fits without the folder that they have in common: as
// with containerd, each is named from there then.
func Options(data string) (from, short string, err error) {
	if len(data) < os.Getpagesize() {
		return "", data, nil
	}
	from, short = compact(data)
	if len(short) >= os.Getpagesize() {
		// The kernel would take the beginning, and so other folders.
		return "", "", fmt.Errorf("overlay: its options have %d bytes, mount(2) takes less than %d: use fewer or shorter lower folders", len(short), os.Getpagesize())
	}
	return from, short, nil
}

// compact answers the folder that all lower folders have in common, and the
// options with their paths from there; as they are, if they have none but the root.
func compact(data string) (from, short string) {
	options := split(data, ',')
	for i, option := range options {
		list, found := strings.CutPrefix(option, "lowerdir=")
		if !found {
			continue
		}
		lower := split(list, ':')
		from = common(lower)
		if from == "/" {
			break
		}
		for n, path := range lower {
			if lower[n] = strings.TrimPrefix(path, from+"/"); lower[n] == path {
				lower[n] = "." // the common folder itself
			}
		}
		options[i] = "lowerdir=" + strings.Join(lower, ":")
		return from, strings.Join(options, ",")
	}
	return "/", data
}

// split divides at a mark that no backslash stands before.
func split(text string, mark byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case mark:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// common answers the longest folder that all paths are in, or are; "/" if one is
// not absolute, or has what would be another name in chdir(2).
func common(paths []string) string {
	from := strings.TrimSuffix(paths[0], "/")
	for _, path := range paths {
		if !filepath.IsAbs(path) || strings.Contains(path, "\\") {
			return "/"
		}
		for path != from && !strings.HasPrefix(path, from+"/") {
			if from = filepath.Dir(from); from == "/" {
				return "/"
			}
		}
	}
	return from
}
