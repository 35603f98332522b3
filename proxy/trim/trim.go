// Package trim keeps the logs of other programs short that never do that
// themselves: a guest can make QEMU and virtiofsd log as much as it likes, on
// the host's /run.
package trim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// MaxFile is the size in bytes beyond which a log is cut; what is written until
	// the kernel's notice has come is more.
	MaxFile = 1 << 20
	// kept is how much of a log's end stays then, in bytes.
	kept = 64 << 10
)

// From linux/fcntl.h; x/sys has no names for them.
const (
	dnModify    = 0x00000002
	dnMultishot = 0x80000000
)

// Logs are logs that are kept short.
type Logs struct {
	logger  *slog.Logger
	files   []*os.File
	folders []*os.File
	notices chan os.Signal
	// cut is told of each file that was cut; for tests.
	cut func(path string)
}

// Keep keeps files short until Close. Whoever writes to them must append
// (O_APPEND), so that it goes on at the end of what is left.
//
// The kernel says when something in the files' folders is written, by a signal
// (dnotify), and nothing happens until then. inotify would need one of the 128
// instances that a user may have (fs.inotify.max_user_instances) for each sandbox,
// and take them away from all else that root runs.
func Keep(logger *slog.Logger, paths ...string) (*Logs, error) {
	return start(logger, func(string) {}, paths...)
}

func start(logger *slog.Logger, cut func(path string), paths ...string) (*Logs, error) {
	l := &Logs{logger: logger, cut: cut, notices: make(chan os.Signal, 1)}
	l.notices <- unix.SIGIO // for what was written before
	if err := l.open(paths); err != nil {
		l.free()
		return nil, fmt.Errorf("keep logs short: %w", err)
	}
	go l.run()
	return l, nil
}

func (l *Logs) open(paths []string) error {
	for _, path := range paths {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		l.files = append(l.files, file)
	}
	signal.Notify(l.notices, unix.SIGIO)
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Dir(path))
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		folder, err := os.Open(name)
		if err != nil {
			return err
		}
		l.folders = append(l.folders, folder)
		if _, err := unix.FcntlInt(folder.Fd(), unix.F_NOTIFY, dnModify|dnMultishot); err != nil {
			return fmt.Errorf("watch %s: %w", name, err)
		}
	}
	return nil
}

// Close leaves the logs as they are.
func (l *Logs) Close() {
	signal.Stop(l.notices)
	close(l.notices)
}

func (l *Logs) free() {
	signal.Stop(l.notices)
	for _, f := range append(l.files, l.folders...) {
		f.Close()
	}
}

func (l *Logs) run() {
	defer l.free()
	failed := false
	for range l.notices {
		for _, file := range l.files {
			if err := l.trim(file); err != nil && !failed {
				failed = true
				l.logger.Warn("a log is not kept short: " + err.Error())
			}
		}
	}
}

// trim cuts a file that is too large. What is written between its reading and
// its cutting is lost.
func (l *Logs) trim(file *os.File) error {
	info, err := file.Stat()
	if err != nil || info.Size() <= MaxFile {
		return err
	}
	last := make([]byte, kept)
	n, err := file.ReadAt(last, info.Size()-kept)
	if err != nil && !errors.Is(err, io.EOF) { // somebody else has cut it
		return err
	}
	// The first line is the rest of one.
	if _, whole, found := bytes.Cut(last[:n], []byte("\n")); found {
		last = whole
	} else {
		last = last[:n]
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	if _, err := file.Write(last); err != nil {
		return err
	}
	l.cut(file.Name())
	return nil
}
