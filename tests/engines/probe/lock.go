package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// taken is what locks has locked of its file, in bytes; the byte behind it is free.
const taken = 10

const released = "released"

// setLock sets or takes away a lock by fcntl, as SQLite and dpkg have them: one
// of a process, not of an open file as flock's. Length 0 is up to the file's end.
func setLock(f *os.File, how int, kind int16, start, length int64) error {
	return unix.FcntlFlock(f.Fd(), how, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: start, Len: length})
}

func refused(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) }

// locks has a lock and starts a process that must wait for it.
func locks(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := setLock(f, unix.F_SETLK, unix.F_WRLCK, 0, taken); err != nil {
		return fmt.Errorf("F_SETLK: %w", err)
	}
	other := exec.Command("/proc/self/exe", "wait-lock", path)
	other.Stdout, other.Stderr = os.Stdout, os.Stderr
	if err := other.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()
	end := time.Now().Add(patience)
	for waits := false; !waits; time.Sleep(poll) {
		if waits, err = waiting(other.Process.Pid); err != nil {
			return err
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the other process did not wait: %w", err)
		default:
		}
		if time.Now().After(end) {
			return errors.New("the other process does not wait for the lock in /proc/locks")
		}
	}
	if _, err := f.WriteAt([]byte(released), 0); err != nil {
		return err
	}
	if err := setLock(f, unix.F_SETLK, unix.F_UNLCK, 0, taken); err != nil {
		return fmt.Errorf("F_UNLCK: %w", err)
	}
	return <-ended
}

func bothLocks(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("flock: %w", err)
	}
	if err := setLock(f, unix.F_SETLK, unix.F_WRLCK, 0, 0); err != nil {
		return fmt.Errorf("fcntl of what this process has by flock: %w", err)
	}
	fmt.Println("both")
	return nil
}

// waiting tells whether the process waits for a lock (proc(5), /proc/locks: "->").
func waiting(pid int) (bool, error) {
	text, err := os.ReadFile("/proc/locks")
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); slices.Contains(words, "->") && slices.Contains(words, strconv.Itoa(pid)) {
			return true, nil
		}
	}
	return false, err
}

// waitLock is the other process of locks.
func waitLock(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := setLock(f, unix.F_SETLK, unix.F_WRLCK, 0, taken); !refused(err) {
		return fmt.Errorf("F_SETLK of what is locked: %w", err)
	}
	if err := setLock(f, unix.F_SETLK, unix.F_WRLCK, taken, 1); err != nil {
		return fmt.Errorf("F_SETLK of another range: %w", err)
	}
	who := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Len: taken}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &who); err != nil {
		return fmt.Errorf("F_GETLK: %w", err)
	}
	if who.Type != unix.F_WRLCK || int(who.Pid) != os.Getppid() {
		return fmt.Errorf("F_GETLK names type %d of process %d, not that of %d", who.Type, who.Pid, os.Getppid())
	}
	if err := setLock(f, unix.F_SETLKW, unix.F_WRLCK, 0, taken); err != nil {
		return fmt.Errorf("F_SETLKW: %w", err)
	}
	text := make([]byte, len(released))
	if n, err := f.ReadAt(text, 0); string(text) != released {
		return fmt.Errorf("F_SETLKW did not wait: read %q (%v)", text[:n], err)
	}
	fmt.Println("waited")
	return nil
}
