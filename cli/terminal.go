package main

import (
	"os"
	"os/signal"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// withTerminalSize gives a process in the foreground the size of our terminal
// from its beginning. What changes later the shim passes on.
func withTerminalSize(p *specs.Process, foreground bool) {
	if !foreground || !p.Terminal || p.ConsoleSize != nil {
		return
	}
	size, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ)
	if err == nil && size.Row > 0 && size.Col > 0 {
		p.ConsoleSize = &specs.Box{Height: uint(size.Row), Width: uint(size.Col)}
	}
}

// keepTerminal answers what gives our terminal the mode back that it has now, after
// a process in the foreground: a shim that is killed leaves it as it was with it.
func keepTerminal(p *specs.Process, foreground bool) (restore func()) {
	if !foreground || !p.Terminal {
		return func() {}
	}
	fd := int(os.Stdin.Fd())
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	return func() {
		signal.Ignore(unix.SIGTTOU) // the shim changes it in the background, too
		// It may be gone by now.
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, mode)
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
