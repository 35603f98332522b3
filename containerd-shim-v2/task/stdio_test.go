package task

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func fifo(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Writers come and go; the input ends with CloseIO, after all was read.
func TestInputEndsWithCloseIO(t *testing.T) {
	path := fifo(t, "in")
	s, err := openStdio(streams{stdin: path}, "a", "ns")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	in, err := s.openInput()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, text := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 3)
		if _, err := io.ReadFull(in, got); err != nil || string(got) != text {
			t.Fatalf("read %q, %v, want %q", got, err, text)
		}
	}
	if err := os.WriteFile(path, []byte("end"), 0); err != nil {
		t.Fatal(err)
	}
	s.closeInput()
	if got, err := io.ReadAll(in); err != nil || string(got) != "end" {
		t.Errorf("read %q, %v, want \"end\" and the end", got, err)
	}
}

// ends tells whether who waits by poll(2), as the relay does, sees the end.
func ends(t *testing.T, in *os.File) {
	t.Helper()
	raw, err := in.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var fds []unix.PollFd
	err = raw.Control(func(fd uintptr) {
		fds = []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err = unix.Poll(fds, 0)
	})
	if err != nil || fds[0].Revents&unix.POLLHUP == 0 {
		t.Fatalf("poll answers %v, %#x, want the end", err, fds[0].Revents)
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v, want the end", n, err)
	}
}

func TestCloseIOBeforeTheInputIsOpened(t *testing.T) {
	s, err := openStdio(streams{stdin: fifo(t, "in")}, "a", "ns")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.closeInput()
	in, err := s.openInput()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ends(t, in)
}

func TestOutputs(t *testing.T) {
	log := filepath.Join(t.TempDir(), "a", "new", "log")
	s, err := openStdio(streams{stdout: fifo(t, "out"), stderr: "file://" + log}, "a", "ns")
	if err != nil {
		t.Fatal(err)
	}
	// Nobody reads the pipe: what is written waits in it.
	if _, err := s.stdout.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := s.stderr.Write([]byte("y")); err != nil {
		t.Error(err)
	}
	s.close()
	if data, err := os.ReadFile(log); err != nil || string(data) != "y" {
		t.Errorf("log %q, %v", data, err)
	}
	for _, bad := range []streams{{stderr: "binary:///bin/logger"}, {stdout: "http://x"}} {
		if _, err := openStdio(bad, "a", "ns"); err == nil || !strings.Contains(err.Error(), "this shim knows") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := openStdio(streams{stdout: filepath.Join(t.TempDir(), "no", "where")}, "a", "ns"); err == nil {
		t.Error("a folder that is missing is no error")
	}
}

// An output whose reader has gone to sleep is given up, and not before.
func TestHurry(t *testing.T) {
	s, err := openStdio(streams{stdout: fifo(t, "out")}, "a", "ns")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	failed := make(chan error, 1)
	go func() {
		_, err := s.stdout.Write(make([]byte, 1<<20))
		failed <- err
	}()
	select {
	case err := <-failed:
		t.Fatalf("not yet in a hurry: %v", err)
	case <-time.After(patience):
	}
	s.hurry()
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the write ends with %v", err)
	}
}
