// Package proc names processes so that a reused pid is never mistaken for the
// process that had it before.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Handle names one process of this boot. The zero value names none.
type Handle struct {
	PID int `json:"pid"`
	// StartTime is field 22 of /proc/PID/stat: clock ticks since boot.
	StartTime uint64 `json:"start_time"`
}

// String is the form that ParseHandle reads.
func (h Handle) String() string { return fmt.Sprintf("%d:%d", h.PID, h.StartTime) }

// ParseHandle reads what String has written.
func ParseHandle(text string) (Handle, error) {
	pid, start, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(pid)
	ticks, err2 := strconv.ParseUint(start, 10, 64)
	if err != nil || err2 != nil || n <= 0 {
		return Handle{}, fmt.Errorf("process %q: not PID:START", text)
	}
	return Handle{PID: n, StartTime: ticks}, nil
}

// Of answers the handle of a running process.
func Of(pid int) (Handle, error) {
	s, err := stat(pid)
	if err != nil {
		return Handle{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return Handle{PID: pid, StartTime: s.start}, nil
}

// status is what /proc/PID/stat tells (proc(5)).
type status struct {
	start            uint64 // field 22: clock ticks since boot
	memory           uint64 // field 23: bytes of address space; 0 of kernel threads and zombies
	code             uint64 // field 26: where the program is; 0 until an execve has settled all else
	envStart, envEnd uint64 // fields 50 and 51: where the environment is
}

// stat reads a process's status. The command name in it may hold blanks and
// brackets, so counting starts behind the last one.
func stat(pid int) (s status, err error) {
	if pid <= 0 {
		return s, os.ErrNotExist
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, err
	}
	// fields[0] is field 3, the state.
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	for field, value := range map[int]*uint64{
		22: &s.start, 23: &s.memory, 26: &s.code, 50: &s.envStart, 51: &s.envEnd,
	} {
		if field-3 >= len(fields) {
			return s, fmt.Errorf("unexpected content %q", data)
		}
		if *value, err = strconv.ParseUint(string(fields[field-3]), 10, 64); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Alive tells whether the process still runs; a zombie does not. A process
// whose first thread has ended shows as a zombie while its other threads still
// hold its memory and files (QEMU, killed): that one is alive.
func (h Handle) Alive() bool {
	fd, err := h.open()
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// ErrGone is the answer about a process that has ended.
var ErrGone = errors.New("process has ended")

// open takes a pidfd, so that the pid cannot change its meaning any more, and
// only then checks that it is the process meant.
func (h Handle) open() (int, error) {
	if h.PID <= 0 {
		return -1, ErrGone
	}
	fd, err := unix.PidfdOpen(h.PID, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return -1, ErrGone
	}
	if err != nil {
		return -1, fmt.Errorf("process %d: pidfd_open: %w", h.PID, err)
	}
	if s, err := stat(h.PID); err != nil || s.start != h.StartTime || ended(fd) {
		unix.Close(fd)
		return -1, ErrGone
	}
	return fd, nil
}

// Pidfd answers a pidfd of the process, for one that outlives us; ErrGone if it
// has ended. The caller closes it.
func (h Handle) Pidfd() (*os.File, error) {
	fd, err := h.open()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// ended asks the pidfd, which becomes readable when all threads have ended
// (pidfd_open(2)), whether or not anybody has waited for the process.
func ended(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0
		}
	}
}

// Signal sends a signal; ErrGone if the process has ended.
func (h Handle) Signal(sig unix.Signal) error {
	fd, err := h.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.PidfdSendSignal(fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}

// Wait returns when the process has ended, or with ctx's error.
func (h Handle) Wait(ctx context.Context) error {
	fd, err := h.open()
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// A pipe wakes the poll when ctx ends, so that nothing has to be polled for.
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { w.Close() })
	defer func() {
		if stop() {
			w.Close()
		}
	}()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(r.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if fds[0].Revents != 0 {
			return nil
		}
		return ctx.Err()
	}
}

// Kill ends the process with SIGKILL and waits until it is gone. A process
// that is gone already is no error.
func (h Handle) Kill(ctx context.Context) error {
	if err := h.Signal(unix.SIGKILL); err != nil {
		if errors.Is(err, ErrGone) {
			return nil
		}
		return fmt.Errorf("kill process %d: %w", h.PID, err)
	}
	if err := h.Wait(ctx); err != nil {
		return fmt.Errorf("process %d does not end: %w", h.PID, err)
	}
	return nil
}
