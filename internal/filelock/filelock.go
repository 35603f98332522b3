// Package filelock has locks that are files: they end with their holder, and a file
// that was removed meanwhile is none.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrHeld is the answer while another process holds the lock.
var ErrHeld = errors.New("another process holds the lock")

// Take takes the lock at path, in a folder that exists, or answers ErrHeld. Closing
// the file gives it back.
func Take(path string) (*os.File, error) { return take(path, unix.LOCK_NB) }

// Wait is Take, but waits until ctx ends for who holds the lock.
func Wait(ctx context.Context, path string) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	done := make(chan result, 1)
	go func() {
		file, err := take(path, 0)
		done <- result{file, err}
	}()
	select {
	case r := <-done:
		return r.file, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.file != nil {
				r.file.Close()
			}
		}()
		return nil, fmt.Errorf("%s: %w: %w", path, ErrHeld, ctx.Err())
	}
}

func take(path string, how int) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		for {
			if err = unix.Flock(int(file.Fd()), unix.LOCK_EX|how); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		var st unix.Stat_t
		if err == nil {
			err = unix.Fstat(int(file.Fd()), &st)
		}
		if err == nil && st.Nlink > 0 {
			return file, nil
		}
		file.Close()
		switch {
		case err == nil: // removed since it was opened: another one counts now
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, ErrHeld
		default:
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}
