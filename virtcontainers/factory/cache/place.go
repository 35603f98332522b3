// Package cache keeps virtual machines ready that have no sandbox yet, and
// hands them to those who make one. It counts, serves and refills; whoever
// knows how to boot a guest is its Maker.
package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/filelock"
)

// Place is where a cache lives on the host: its socket, and beside it the
// folder of the virtual machines, the server's log, and the lock that the
// server holds as long as it lives.
type Place struct {
	// Endpoint is the socket's path.
	Endpoint string
}

func (p Place) beside(suffix string) string {
	return strings.TrimSuffix(filepath.Clean(p.Endpoint), ".sock") + suffix
}

// Dir is the root of the sandboxes that the virtual machines are, until
// somebody takes them over, and afterwards for their sockets.
func (p Place) Dir() string { return p.beside(dirSuffix) }

const dirSuffix = ".vms"

// Log is the log of a server that was started in the background.
func (p Place) Log() string { return p.beside(".log") }

func (p Place) lock() string { return p.beside(".lock") }

// ErrBusy is the answer while a server is there already.
var ErrBusy = errors.New("another process serves the cache of virtual machines")

// Lock takes the place for a server, or for cleaning up; ErrBusy while another
// has it. The lock ends with its holder.
func (p Place) Lock() (*os.File, error) { return p.take(filelock.Take) }

// Wait is Lock for somebody who knows that the holder is about to end.
func (p Place) Wait(ctx context.Context) (*os.File, error) {
	return p.take(func(path string) (*os.File, error) { return filelock.Wait(ctx, path) })
}

func (p Place) take(how func(string) (*os.File, error)) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(p.lock()), 0o700); err != nil {
		return nil, fmt.Errorf("cache of virtual machines: %w", err)
	}
	file, err := how(p.lock())
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cache of virtual machines: %w", err)
	}
	return file, nil
}

// Remove deletes what the place's holder leaves: the socket, the log, the
// folder if no sandbox has a virtual machine from it, and the lock itself.
func (p Place) Remove(lock *os.File) error {
	defer lock.Close()
	var errs []error
	for _, path := range []string{p.Endpoint, p.Log()} {
		errs = append(errs, ignore(os.Remove(path), os.ErrNotExist))
	}
	for _, path := range []string{"containers", "sandboxes", "."} {
		errs = append(errs, ignore(os.Remove(filepath.Join(p.Dir(), path)), os.ErrNotExist, unix.ENOTEMPTY))
	}
	errs = append(errs, ignore(os.Remove(p.lock()), os.ErrNotExist))
	return errors.Join(errs...)
}

// Tidy removes an empty folder Dir that no server uses any more: the last
// sandbox with a virtual machine from it was deleted.
func Tidy(dir string) error {
	left, err := os.ReadDir(filepath.Join(dir, "sandboxes"))
	if err != nil || len(left) > 0 {
		return ignore(err, os.ErrNotExist)
	}
	p := Place{Endpoint: strings.TrimSuffix(dir, dirSuffix) + ".sock"}
	lock, err := p.Lock()
	if err != nil {
		return ignore(err, ErrBusy)
	}
	return p.Remove(lock)
}

func ignore(err error, kinds ...error) error {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return nil
		}
	}
	return err
}
