// Package tty finds the terminal of a command that a user has typed.
package tty

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Find answers the terminal that has this process: one of the standard streams, the
// input first, or the controlling one, as some of them may lead elsewhere.
func Find() (*os.File, error) {
	for _, file := range []*os.File{os.Stdin, os.Stderr, os.Stdout} {
		if Is(file) {
			return file, nil
		}
	}
	file, err := os.Open("/dev/tty")
	if err != nil {
		return nil, fmt.Errorf("none of the standard streams is a terminal: %w", err)
	}
	return file, nil
}

// Is tells whether a file is a terminal.
func Is(file *os.File) bool {
	raw, err := file.SyscallConn() // Fd would change the file's mode, which others share
	if err != nil {
		return false
	}
	is := false
	err = raw.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		is = err == nil
	})
	return is && err == nil
}
