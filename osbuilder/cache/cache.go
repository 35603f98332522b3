// Package cache keeps what is costly to get (downloads, a built kernel) in
// folders named after the hash of all that went into them. A folder is either
// complete or not there; builds in parallel wait for each other.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Cache is a folder; it may be empty or missing.
type Cache struct{ Dir string }

// Key hashes the parts that decide over a result. Each is set apart by its
// length, so that no two lists of parts meet.
func Key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// Get answers the folder KIND-KEY. If it is not there yet, make fills an
// empty folder, which then gets that name; if make fails nothing stays. A
// second caller for the same key waits until the first is done.
func (c Cache) Get(ctx context.Context, kind, key string, make func(ctx context.Context, dir string) error) (string, error) {
	path := filepath.Join(c.Dir, kind+"-"+key)
	if exists(path) {
		return path, nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	defer unlock()
	if exists(path) {
		return path, nil
	}
	// With the lock held, a leftover is of a build that was killed.
	tmp := path + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	if err := make(ctx, tmp); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	// Complete also after a loss of power: what is there under that name is never
	// looked into again.
	if err := flush(tmp); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	return path, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// flush writes the file system of a folder to its disk.
func flush(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// lock waits for the file's lock, as long as ctx lasts. The kernel frees it when
// the holder ends, however it ends; the file stays, since removing it would let two
// in.
func lock(ctx context.Context, path string) (func() error, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		for {
			err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
			if !errors.Is(err, unix.EINTR) {
				done <- err
				return
			}
		}
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		// The file is left to the wait, which ends with the program: a descriptor
		// that another gets in its place meanwhile must not be locked.
		return nil, fmt.Errorf("wait for another build, which has %s: %w", path, context.Cause(ctx))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f.Close, nil
}
