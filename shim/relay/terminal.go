package relay

import (
	"fmt"
	"os"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// Terminal is one whose mode is ours until Restore.
type Terminal struct {
	console console.Console
}

// HoldTerminal makes a terminal keep what is typed, without an echo, for the one in
// the guest. Ctrl-C is a signal yet: there is no process that could get it, only
// a runtime that is to give up.
func HoldTerminal(file *os.File) (*Terminal, error) {
	c, err := console.ConsoleFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w (--terminal needs one)", err)
	}
	t := &Terminal{c}
	if err := t.Raw(); err != nil {
		return nil, err
	}
	mode, err := unix.IoctlGetTermios(int(c.Fd()), unix.TCGETS)
	if err == nil {
		mode.Lflag |= unix.ISIG
		mode.Cc[unix.VQUIT], mode.Cc[unix.VSUSP] = 0, 0
		err = unix.IoctlSetTermios(int(c.Fd()), unix.TCSETS, mode)
	}
	if err != nil {
		t.Restore()
		return nil, fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	return t, nil
}

// Raw makes the terminal pass every byte on: the one in the guest edits lines and
// makes signals of keys.
func (t *Terminal) Raw() error {
	if err := t.console.SetRaw(); err != nil {
		return fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	return nil
}

// Restore gives the terminal the mode back that it had at first.
func (t *Terminal) Restore() {
	// It may be gone already.
	_ = t.console.Reset()
}
