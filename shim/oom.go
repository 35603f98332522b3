package main

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

// oomKilled answers how to tell that the container was killed for want of
// memory: by the file that conmon makes when it sees that in the container's
// cgroup, and that Podman and CRI-O look for. On the host's cgroup nothing is
// seen of the guest's.
func (o *options) oomKilled(log *slog.Logger) func() {
	// Opened now: the stage has no way to them.
	dirs := map[string]int{}
	for _, path := range o.oomDirs {
		dir, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			log.Warn("cannot tell of a kill for want of memory", "folder", path, "error", err)
			continue
		}
		dirs[path] = dir
	}
	if len(dirs) == 0 {
		return nil
	}
	return func() {
		for path, dir := range dirs {
			file, err := unix.Openat(dir, "oom", unix.O_CREAT|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
			if err != nil {
				log.Warn("cannot tell of a kill for want of memory", "folder", path, "error", err)
				continue
			}
			unix.Close(file)
		}
	}
}
