package main

import (
	"os"

	"github.com/kata-go/kata-runtime/internal/tty"
	"github.com/kata-go/kata-runtime/shim/relay"
)

// hold answers our terminal, for the size of the process's, and what has its mode:
// nil where what is typed does not go to the process, because standard input is
// another file.
func (o *options) hold() (*os.File, *relay.Terminal, error) {
	if !o.terminal {
		return nil, nil, nil
	}
	terminal, err := tty.Find()
	if err != nil || terminal != os.Stdin {
		return terminal, nil, err
	}
	held, err := relay.HoldTerminal(terminal)
	return terminal, held, err
}
