// Command kata-agent is the guest side of the agent protocol: PID 1 of the VM,
// or a service under another init. It runs containers as the host tells it.
package main

import (
	"fmt"
	"os"

	// First: a container's init process never gets further than this.
	_ "github.com/kata-go/kata-runtime/agent/initproc"

	"github.com/kata-go/kata-runtime/agent/pid1"
)

// version is the release; the build sets it (-ldflags "-X main.version=...").
var version = "unknown"

func main() {
	s, err := parseArgs(os.Args[1:])
	if err == nil || pid1.IsInit() {
		err = run(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kata-agent:", err)
		// If this is the guest's init, PID 1 sees the end and ends the guest.
		os.Exit(1)
	}
}

// settings are the program's arguments. An init gets those words of the kernel's
// command line that nobody else knew, so it does not mind what they are.
type settings struct {
	listen string
}

func parseArgs(args []string) (settings, error) {
	var s settings
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--listen" && i+1 < len(args):
			i++
			s.listen = args[i]
		case args[i] == "--version":
			fmt.Println("kata-agent version", version)
			os.Exit(0)
		default:
			return s, fmt.Errorf("unknown argument %q; usage: kata-agent [--listen unix:///PATH] [--version]", args[i])
		}
	}
	return s, nil
}
