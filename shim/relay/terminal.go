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
	err = t.change(func(mode *unix.Termios) {
		mode.Lflag |= unix.ISIG
		mode.Cc[unix.VQUIT], mode.Cc[unix.VSUSP] = 0, 0
		mode.Oflag |= unix.OPOST // what a runtime has to say is made of lines
	})
	if err != nil {
		t.Restore()
		return nil, fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	return t, nil
}

// Raw makes the terminal pass every byte on: the one in the guest edits lines,
// makes signals of keys, and ends lines of output with a carriage return.
func (t *Terminal) Raw() error {
	err := t.console.SetRaw()
	if err == nil {
		err = t.change(func(mode *unix.Termios) { mode.Oflag &^= unix.OPOST }) // SetRaw leaves it
	}
	if err != nil {
		return fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	return nil
}

func (t *Terminal) change(how func(*unix.Termios)) error {
	mode, err := unix.IoctlGetTermios(int(t.console.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	how(mode)
	return unix.IoctlSetTermios(int(t.console.Fd()), unix.TCSETS, mode)
}

// Restore gives the terminal the mode back that it had at first.
func (t *Terminal) Restore() {
	// It may be gone already.
	_ = t.console.Reset()
}
