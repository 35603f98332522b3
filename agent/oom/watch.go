// Package oom tells when the kernel's OOM killer strikes in a cgroup.
package oom

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Watch watches files of cgroups, all with one inotify instance: the kernel
// marks memory.events as modified when a number in it changes (cgroup-v2.rst).
type Watch struct {
	log  *slog.Logger
	file *os.File

	mu    sync.Mutex
	calls map[int32]func()
	paths map[string]int32
}

// New starts watching nothing yet. It lives as long as the process.
func New(log *slog.Logger) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	w := &Watch{log: log, file: os.NewFile(uintptr(fd), "inotify"), calls: map[int32]func(){}, paths: map[string]int32{}}
	go w.run()
	return w, nil
}

// Add calls changed, from one goroutine, after each change of a file.
func (w *Watch) Add(path string, changed func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, err := w.control(func(fd int) (int, error) { return unix.InotifyAddWatch(fd, path, unix.IN_MODIFY) })
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	w.calls[int32(id)], w.paths[path] = changed, int32(id)
	return nil
}

// Remove stops watching a file; one that is not watched is no error.
func (w *Watch) Remove(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, ok := w.paths[path]
	if !ok {
		return
	}
	delete(w.paths, path)
	delete(w.calls, id)
	// The kernel has dropped the watch if the file is gone.
	_, _ = w.control(func(fd int) (int, error) { return unix.InotifyRmWatch(fd, uint32(id)) })
}

// control uses the descriptor without taking it out of Go's poller, as Fd would.
func (w *Watch) control(f func(int) (int, error)) (n int, err error) {
	raw, cerr := w.file.SyscallConn()
	if cerr != nil {
		return 0, cerr
	}
	if cerr := raw.Control(func(fd uintptr) { n, err = f(int(fd)) }); cerr != nil {
		return 0, cerr
	}
	return n, err
}

func (w *Watch) run() {
	buf := make([]byte, 4096)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				w.log.Error("OOM kills are not reported any more", "error", err)
			}
			return
		}
		for _, id := range parse(buf[:n]) {
			w.mu.Lock()
			call := w.calls[id]
			w.mu.Unlock()
			if call != nil {
				call()
			}
		}
	}
}

// parse answers the watches that a read of inotify(7) events names.
func parse(data []byte) []int32 {
	var ids []int32
	for len(data) >= unix.SizeofInotifyEvent {
		ids = append(ids, int32(binary.NativeEndian.Uint32(data)))
		length := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(data[12:]))
		if length > len(data) {
			break
		}
		data = data[length:]
	}
	return ids
}
