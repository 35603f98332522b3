// Package consolelog keeps the last of what a guest prints on its console.
package consolelog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// MaxFile is the size in bytes that a file does not exceed. With the one
// before, the log holds between one and two times as much.
const MaxFile = 64 << 10

// Log is a file of at most MaxFile bytes and the one before, which has ".1"
// behind its name. One goroutine uses it.
type Log struct {
	// folder stays open: the process leaves the host's files behind.
	folder *os.Root
	name   string
	file   *os.File
	size   int
}

// Open begins a log anew.
func Open(path string) (*Log, error) {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("console log: %w", err)
	}
	l := &Log{folder: folder, name: filepath.Base(path)}
	if err := l.create(); err != nil {
		folder.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) create() error {
	file, err := l.folder.OpenFile(l.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("console log: %w", err)
	}
	l.file, l.size = file, 0
	return nil
}

// Write appends p. After an error the rest of p is lost, but a later Write may
// succeed: the disk that was full has room again.
func (l *Log) Write(p []byte) (int, error) {
	total := 0
	for len(p) > 0 {
		if l.file == nil || l.size >= MaxFile {
			if err := l.rotate(); err != nil {
				return total, err
			}
		}
		n, err := l.file.Write(p[:min(len(p), MaxFile-l.size)])
		l.size += n
		total += n
		if err != nil {
			return total, fmt.Errorf("console log: %w", err)
		}
		p = p[n:]
	}
	return total, nil
}

func (l *Log) rotate() error {
	if err := l.closeFile(); err != nil {
		return err
	}
	if err := l.folder.Rename(l.name, l.name+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("console log: %w", err)
	}
	return l.create()
}

// Close ends the log; no Write may follow.
func (l *Log) Close() error { return errors.Join(l.closeFile(), l.folder.Close()) }

func (l *Log) closeFile() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if err != nil {
		return fmt.Errorf("console log: %w", err)
	}
	return nil
}
