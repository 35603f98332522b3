package container

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent/process"
)

// initMark is in the environment of a process for as long as it runs the code
// of libcontainer's init.
var initMark = []byte("_LIBCONTAINER_INITPIPE=")

// launchTime bounds the wait for a program: one whose environment only looks
// like that of libcontainer's init is signalled later, not never.
const launchTime = 5 * time.Second

// awaitProgram returns when a started process runs the user's program, so that
// a signal meets the program's own handlers.
//
// libcontainer calls a process started a moment before it calls execve(2). A
// signal that one of its threads takes in that moment is lost: execve ends the
// thread before Go's handler in it has passed the signal on. Nothing announces
// an execve to a third process, short of tracing it, so this looks again. A
// container that was created only is signalled as it is, like runc's.
func (c *Container) awaitProgram(ctx context.Context, execID string, p *process.Process, sig unix.Signal) {
	if sig == 0 || sig == unix.SIGKILL || execID == "" && !c.wasStarted() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, launchTime)
	defer cancel()
	for pause := time.Millisecond; inInit(p.PID); pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-p.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// wasStarted tells whether Start has been called, also of a paused container.
func (c *Container) wasStarted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.started
}

// inInit tells whether a process still runs libcontainer's code. A process
// that has ended does not.
func inInit(pid int) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && bytes.Contains(env, initMark)
}
