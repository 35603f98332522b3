package share

import (
	"errors"
	"os"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// Daemon is a running virtiofsd that this process started.
type Daemon struct {
	// Process is what to keep in the state.
	Process proc.Handle
}

// StartVirtioFSD starts the daemon of choice for the folder. dir is the
// sandbox's own; logFile gets what the daemon prints (appended, 0600).
func StartVirtioFSD(c Config, choice Choice, dir string, f *Folder, logFile string) (*Daemon, error) {
	return nil, errors.New("virtiofsd: not there yet")
}

// Connect answers the one connection that the daemon serves, for QEMU.
func (d *Daemon) Connect() (*os.File, error) { return nil, errors.New("virtiofsd: not there yet") }

// Done is closed when the daemon has ended.
func (d *Daemon) Done() <-chan struct{} { return nil }

// Err says how the daemon ended, with its last lines; nil while it runs.
func (d *Daemon) Err() error { return nil }
