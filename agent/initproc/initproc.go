// Package initproc is the first Go code of a container's init process, which
// is the agent's own program started again by libcontainer with the argument
// "init".
//
// It must know nothing but libcontainer: Go initialises a package as soon as
// those that it imports are, so this one comes before what the agent itself is
// made of, and libcontainer.Init never returns. Some of gRPC and protobuf comes
// first all the same, because among packages that are ready the path decides.
// Build with the tag runc_nocriu: without it libcontainer imports protobuf's
// descriptors, too (GODEBUG=inittrace=1 shows the order and the cost).
package initproc

import (
	"os"

	"github.com/opencontainers/runc/libcontainer"
	// The C half of the start: joins and makes namespaces.
	_ "github.com/opencontainers/runc/libcontainer/nsenter"
)

func init() {
	if len(os.Args) == 2 && os.Args[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != "" {
		libcontainer.Init()
	}
}
