// Package initproc is the first Go code of a container's init process, which
// is the agent's own program started again by libcontainer with the argument
// "init".
//
// It must know nothing but libcontainer: Go initialises a package as soon as
// those that it imports are, in the order of their paths, so this one comes
// before gRPC, protobuf and the rest of the agent, and libcontainer.Init never
// returns. None of that is then paid for when a container or an exec starts.
// (Built without the tag runc_nocriu, libcontainer itself imports protobuf.)
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
