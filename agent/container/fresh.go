package container

import (
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// refresh asks the host for the attributes of what is mounted into a container,
// which the kernel remembers for a second (virtiofsd's "cache=auto"). Engines
// write into these files (/etc/hosts, resolv.conf) between create and start, and
// when a network is connected; a program that starts just then would read no
// more of them than the size that the kernel remembers. What cannot be asked for
// is left to whoever uses it. What only a container's own mount namespace has
// mounted is not mounted in the agent's for this: it would be another mount.
func refresh(mounts []specs.Mount) {
	var st unix.Statx_t
	for _, m := range mounts {
		if filepath.IsAbs(m.Source) {
			_ = unix.Statx(unix.AT_FDCWD, m.Source, unix.AT_STATX_FORCE_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st)
		}
	}
}
