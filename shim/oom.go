package main

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

// oomKilled answers how to tell that the container was killed for want of
// memory: by the file that conmon makes in the bundle when it sees that in the
// container's cgroup (conmon 2, src/oom.c), and that CRI-O looks for.
// On the host's cgroup nothing is seen of the guest's.
func (o *options) oomKilled(log *slog.Logger) func() {
	if o.bundle == "" {
		return nil
	}
	// Opened now: the stage has no way to it.
	dir, err := unix.Open(o.bundle, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		log.Warn("cannot tell of a kill for want of memory", "bundle", o.bundle, "error", err)
		return nil
	}
	return func() {
		file, err := unix.Openat(dir, "oom", unix.O_CREAT|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			log.Warn("cannot tell of a kill for want of memory", "bundle", o.bundle, "error", err)
			return
		}
		unix.Close(file)
	}
}
