package resources

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/cgroups"
)

// LeaveCgroups moves this process out of its caller's cgroups, into the root of
// each hierarchy: it outlives the caller, whose cgroup an engine may want to
// remove, or to kill. Processes that it starts are born there. What the host
// does not allow is in the error; the rest is done.
func LeaveCgroups() error {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range mounts {
		if _, err := os.Stat(filepath.Join(m.Mountpoint, "cgroup.procs")); err != nil {
			continue
		}
		errs = append(errs, cgroups.WriteCgroupProc(m.Mountpoint, os.Getpid()))
	}
	return errors.Join(errs...)
}
