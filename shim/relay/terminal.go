package relay

import (
	"fmt"
	"os"

	"github.com/containerd/console"
)

// RawTerminal makes a terminal pass every byte on: the one in the guest edits
// lines and makes signals of keys. restore takes that back.
func RawTerminal(file *os.File) (restore func(), err error) {
	c, err := console.ConsoleFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w (--terminal needs one)", err)
	}
	if err := c.SetRaw(); err != nil {
		return nil, fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	return func() {
		// It may be gone already.
		_ = c.Reset()
	}, nil
}
