// Command probes tries several hundred things that programs in containers ask of
// their kernel, each by itself, and prints a line "NAME: RESULT" for each: "yes",
// or the error. Run with runc and with kata-runtime, it tells what a workload
// that moves into a VM would miss.
//
// Usage: probes
//
//	probes compare KNOWN RUNC KATA
//
// compare sets two outputs beside each other. It fails if something worked with
// the first and not with the second, unless a name in KNOWN (a file with a line
// "NAME: reason" each, where a name may end with "*") says why; and if a name
// there works after all.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// probe tries one thing.
type probe struct {
	name string
	try  func() error
}

// groups are all there are, in the order of the output.
func groups() [][]probe {
	return [][]probe{sockets(), options(), links(), descriptors(), namespaces(), memory(), clocks(), processes(), filesystems(), files()}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 0:
		// System calls by number can change the process: it is another one.
		child := exec.Command("/proc/self/exe", "syscalls")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Run(); err != nil {
			return fmt.Errorf("system calls: %w", err)
		}
		for _, group := range groups() {
			for _, p := range group {
				fmt.Printf("%s: %s\n", p.name, result(p.try()))
			}
		}
		return nil
	case len(args) == 1 && args[0] == "syscalls":
		syscalls()
		return nil
	case len(args) == 4 && args[0] == "compare":
		return compare(args[1], args[2], args[3])
	}
	return errors.New("usage: probes | probes compare KNOWN RUNC KATA")
}

// works is the result of what does.
const works = "yes"

func result(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return works
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
