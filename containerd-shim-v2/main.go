// Command containerd-shim-kata-v2 is containerd's way to run containers and
// pods in virtual machines: one process per pod, which serves containerd's
// task service (version 2) and stands for the processes in the guest.
//
// containerd calls it as "containerd-shim-kata-v2 [flags] start", which starts
// the service, or finds that of the container's pod, and prints its address;
// and as "... delete", which removes what a service that was killed has left.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"

	"github.com/kata-go/kata-runtime/internal/heap"
	"github.com/kata-go/kata-runtime/internal/inherit"
)

// version and commit are set by the build.
var version, commit = "unknown", ""

const name = "containerd-shim-kata-v2"

func main() {
	// Two streams may be busy at a time; more processors only mean more caches
	// and threads in a process of which there is one per pod.
	runtime.GOMAXPROCS(2)
	heap.Bound()
	inherit.Nothing()
	o, action, err := parse(os.Args[1:])
	if err == nil {
		err = run(o, action)
	}
	if err == nil || err == flag.ErrHelp {
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(1)
}

func run(o *options, action string) error {
	switch {
	case o.version:
		fmt.Println(name, version, commit)
		return nil
	case o.info:
		return printInfo(os.Stdin, os.Stdout)
	case action == "start":
		return start(o, os.Stdout)
	case action == "delete":
		return remove(o, os.Stdout)
	case action == "":
		return serve(o)
	}
	return fmt.Errorf("unknown action %q: containerd calls start and delete", action)
}
