// Package initproc is the first Go code of a container's init process, which
// is the agent's own program started again by libcontainer with the argument
// "init".
//
// It must know nothing but libcontainer: Go initialises a package as soon as
// those that it imports are, so this one comes before what the agent itself is
// made of, and libcontainer.Init never returns. Some of protobuf comes
// first all the same, because among packages that are ready the path decides.
// Build with the tag runc_nocriu: without it libcontainer imports protobuf's
// descriptors, too (GODEBUG=inittrace=1 shows the order and the cost).
package initproc

import (
	"os"
	"strings"

	"github.com/opencontainers/runc/libcontainer"
	// The C half of the start: joins and makes namespaces.
	_ "github.com/opencontainers/runc/libcontainer/nsenter"
	"golang.org/x/sys/unix"
)

// usualSlack is the kernel's own default of a timer's slack, in nanoseconds
// (init/init_task.c); package pid1 has set another.
const usualSlack = 50000

// WithoutStatx before the number of libcontainer.Process.LogLevel says that the
// container's seccomp profile refuses statx(2). It is the one thing that the
// agent can tell the init process before libcontainer does; both readers of the
// number, in C and in Go, take the sign.
const WithoutStatx = "+"

func init() {
	// Here and until main.main, the goroutine is on the process's first thread;
	// it is also the one that executes the user's program.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, usualSlack, 0, 0, 0)
	if len(os.Args) == 2 && os.Args[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != "" {
		if strings.HasPrefix(os.Getenv("_LIBCONTAINER_LOGLEVEL"), WithoutStatx) {
			// If it fails, the container does not start, and says why.
			_ = withoutStatx()
		}
		reserveHeap()
		libcontainer.Init()
	}
}
