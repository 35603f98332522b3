// Package title sets what ps and top show of this process.
package title

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Take answers a copy of the command line, whose memory Set may overwrite
// afterwards. Every use of os.Args must come before Set, or use the copy.
func Take() []string {
	args := make([]string, len(os.Args))
	for i, arg := range os.Args {
		args[i] = strings.Clone(arg)
	}
	return args
}

// Set makes text the process's command line (/proc/PID/cmdline) and its first
// word's base name the command name (comm), as far as they fit: into the memory
// that the kernel gave us for our arguments, so without a second exec. It may
// be called once, before other goroutines look at os.Args.
func Set(text string) error {
	first, _, _ := strings.Cut(text, " ")
	name := filepath.Base(first)
	// The thread group's leader is the one that ps shows, and any thread may
	// write its name here (proc(5), /proc/pid/comm: 15 bytes and a NUL).
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		return fmt.Errorf("set command name: %w", err)
	}
	area := arguments(os.Args)
	if len(area) == 0 {
		return fmt.Errorf("set command line: the arguments are not in one piece")
	}
	n := copy(area[:len(area)-1], text)
	clear(area[n:])
	// Without the right to move the end (CAP_SYS_RESOURCE), NULs follow the
	// text; ps shows them as nothing.
	end := uintptr(unsafe.Pointer(&area[0])) + uintptr(n) + 1
	_ = unix.Prctl(unix.PR_SET_MM, unix.PR_SET_MM_ARG_END, end, 0, 0)
	return nil
}

// arguments answers the memory of the arguments with the NULs behind them, if
// they lie one behind the other as execve(2) leaves them; else nil. The Go
// runtime's os.Args point there.
func arguments(args []string) []byte {
	if len(args) == 0 || len(args[0]) == 0 {
		return nil
	}
	start := unsafe.StringData(args[0])
	size := 0
	for _, arg := range args {
		if unsafe.StringData(arg) != (*byte)(unsafe.Add(unsafe.Pointer(start), size)) {
			// An empty string has no address that means anything.
			if len(arg) > 0 {
				return nil
			}
		}
		size += len(arg) + 1
	}
	return unsafe.Slice(start, size)
}
