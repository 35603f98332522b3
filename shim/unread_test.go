package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/shim/relay"
)

// more than a pipe takes (64 KiB), less than what the agent keeps.
const unreadBytes = 100_000

// unread relays a process whose standard output nobody reads, and answers that
// output's other end.
func unread(t *testing.T, g *guest, r *relay.Relay) (*os.File, chan int) {
	t.Helper()
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close(); null.Close() })
	r.Agent, r.Container, r.Exec = g.addr, "c1", "e1"
	r.Stdin, r.Stdout, r.Stderr, r.Log = null, w, null, slog.New(slog.DiscardHandler)
	done := make(chan int, 1)
	go func() {
		code, err := r.Run(t.Context())
		if (err != nil) != (code == relay.Lost) {
			t.Error(code, err)
		}
		w.Close()
		done <- code
	}()
	return out, done
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// Who tells of ends, tells of that of a process whose output nobody reads; and
// none of the output is lost to one who comes later.
func TestEndBeforeTheOutputIsRead(t *testing.T) {
	g := newGuest(t)
	g.start(t, "e1", false, "sh", "-c", "head -c 100000 /dev/zero; exit 7")
	ended := make(chan int, 1)
	out, done := unread(t, g, &relay.Relay{Ended: func(code int) { ended <- code }})
	if code := await(t, "the end", ended); code != 7 {
		t.Errorf("told of the code %d", code)
	}
	select {
	case <-done:
		t.Error("the output is given up")
	default:
	}
	data, err := io.ReadAll(out)
	if err != nil || !bytes.Equal(data, make([]byte, unreadBytes)) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if code := await(t, "Run", done); code != 7 {
		t.Errorf("Run answers %d", code)
	}
}

// A reader that is slow, but reads, has all before the end is told.
func TestEndAfterASlowReader(t *testing.T) {
	g := newGuest(t)
	g.start(t, "e1", false, "sh", "-c", "head -c 100000 /dev/zero")
	ended := make(chan int, 1)
	out, done := unread(t, g, &relay.Relay{Ended: func(code int) { ended <- code }})
	// Each read makes room for a write, which is progress.
	for read := 0; read < unreadBytes; {
		select {
		case <-ended:
			if read < unreadBytes-65536 { // the rest is in the pipe
				t.Fatalf("the end is told after %d bytes", read)
			}
		case <-time.After(time.Second / 2):
		}
		n, err := out.Read(make([]byte, 20_000))
		if err != nil {
			t.Fatal(err)
		}
		read += n
	}
	await(t, "Run", done)
}

// SIGKILL ends a process whose output nobody reads, and its stand-in.
func TestKilledWhileUnread(t *testing.T) {
	g := newGuest(t)
	p := g.start(t, "e1", false, "cat", "/dev/zero")
	r := &relay.Relay{}
	_, done := unread(t, g, r)
	isFull(t, r)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if code := await(t, "Run", done); code != 137 {
		t.Errorf("Run answers %d", code)
	}
}

// isFull returns when a relay's standard output takes nothing more.
func isFull(t *testing.T, r *relay.Relay) {
	t.Helper()
	// The pipe is full when nobody could write to it; how many bytes that is
	// depends on how they came.
	raw, err := r.Stdout.(*os.File).SyscallConn() // Fd would make it blocking
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		write := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		for n := 1; n > 0; {
			if n, err = unix.Poll(write, 0); err != nil && err != unix.EINTR {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A VM that dies takes the stand-ins along whose output nobody reads.
func TestTheVMDiesWhileUnread(t *testing.T) {
	g := newGuest(t)
	g.start(t, "e1", false, "cat", "/dev/zero")
	r := &relay.Relay{}
	_, done := unread(t, g, r)
	isFull(t, r)
	g.port.Close()
	if code := await(t, "Run", done); code != relay.Lost {
		t.Errorf("Run answers %d", code)
	}
}
