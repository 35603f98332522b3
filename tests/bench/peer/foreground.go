package peer

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Foreground is a "run" that goes on.
type Foreground struct {
	// Out is what the container's process prints. Read it to its end before Wait.
	Out    io.Reader
	peer   *Peer
	cmd    *exec.Cmd
	errors *os.File
	cancel context.CancelFunc
}

// Foreground runs a bundle whose process talks to somebody. The caller waits
// for its end.
func (p *Peer) Foreground(ctx context.Context, bundle, id string) (_ *Foreground, err error) {
	said, err := os.CreateTemp(p.Dir, "err-*")
	if err != nil {
		return nil, err
	}
	limit := deadline
	if p.Deadline > 0 {
		limit = p.Deadline
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	f := &Foreground{peer: p, errors: said, cancel: cancel}
	f.cmd = exec.CommandContext(ctx, p.Binary, append(p.arguments(), "run", "--bundle", bundle, id)...)
	f.cmd.Env = append(os.Environ(), p.Env...)
	f.cmd.Stderr = said
	// It ends its container and takes back what it has begun.
	f.cmd.Cancel = func() error { return f.cmd.Process.Signal(unix.SIGTERM) }
	f.cmd.WaitDelay = 20 * time.Second
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if f.Out, err = f.cmd.StdoutPipe(); err == nil {
		err = p.where(f.cmd.Start)
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("%s run: %w", p.Name, err)
	}
	return f, nil
}

// Wait waits for the end of the container; a code other than zero is an error
// that tells what the runtime said.
func (f *Foreground) Wait() error {
	defer f.close()
	if err := f.cmd.Wait(); err != nil {
		return fmt.Errorf("%s run: %w: %s", f.peer.Name, err, tail(f.errors.Name()))
	}
	return nil
}

// Stop ends it, whatever it does, and answers what the runtime said.
func (f *Foreground) Stop() error {
	f.cancel()
	return f.Wait()
}

func (f *Foreground) close() {
	f.cancel()
	f.errors.Close()
	os.Remove(f.errors.Name())
}
