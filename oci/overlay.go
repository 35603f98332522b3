package oci

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// mountFlags are the options that hold for any mount (runtime-spec, config.md,
// "Linux mount options"); all others are the file system's.
var mountFlags = []string{
	"defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync",
	"mand", "nomand", "silent", "loud", "iversion", "noiversion", "symfollow", "nosymfollow", "lazytime", "nolazytime",
	"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
	"rro", "rrw", "rsuid", "rnosuid", "rdev", "rnodev", "rexec", "rnoexec", "rsymfollow", "rnosymfollow",
	"ratime", "rnoatime", "rdiratime", "rnodiratime", "rrelatime", "rnorelatime", "rstrictatime", "rnostrictatime",
	"private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable",
}

// OverlayData answers what the kernel is to make an Overlay of ("lowerdir=...,
// upperdir=...,workdir=..."), as mount(2) takes it.
func OverlayData(m specs.Mount) string {
	_, data := overlayOptions(m.Options)
	return strings.Join(data, ",")
}

// overlayOptions parts the options of the mount from those of the overlay.
func overlayOptions(options []string) (flags, data []string) {
	for _, o := range options {
		if slices.Contains(mountFlags, o) {
			flags = append(flags, o)
		} else {
			data = append(data, o)
		}
	}
	return flags, data
}
