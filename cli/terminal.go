package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/tty"
)

// withTerminalSize gives a process in the foreground the size of our terminal
// from its beginning. What changes later the shim passes on. Without a terminal
// of ours there can be none for the process, as with runc.
func withTerminalSize(p *specs.Process, foreground bool) error {
	if !foreground || !p.Terminal {
		return nil
	}
	terminal, err := tty.Find()
	if err != nil {
		return fmt.Errorf("the process is to have a terminal, but this command has none: %w: leave the terminal out, or detach with --console-socket", err)
	}
	if p.ConsoleSize != nil {
		return nil
	}
	size, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err == nil && size.Row > 0 && size.Col > 0 {
		p.ConsoleSize = &specs.Box{Height: uint(size.Row), Width: uint(size.Col)}
	}
	return nil
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
