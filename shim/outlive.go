package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// lastPatience is how long we wait for other shims that should have ended: as
// long as for a reader that takes nothing of a process that has.
const lastPatience = 2 * time.Second

// outlive waits until the shims of the container's other processes have ended.
// Those processes ended with the init, as in any pid namespace, where a kernel
// tells of the init's end last: engines rely on it (Podman 5 refuses to stop a
// container of which an exec seems to live).
func (o *options) outlive() {
	if o.livesFD < 0 {
		return
	}
	alone := make(chan struct{})
	go func() {
		defer close(alone)
		for unix.Flock(o.livesFD, unix.LOCK_EX) == unix.EINTR {
		}
	}()
	select {
	case <-alone:
	case <-time.After(lastPatience):
	}
}
