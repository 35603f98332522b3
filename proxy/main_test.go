package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/serial/peer"
	"github.com/kata-go/kata-runtime/internal/sock"
)

func TestArgumentsThatAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--sandbox", "s"}, {"--agent-socket", "a"}, {"--listen-fd", "3"},
		{"--console-socket", "a"}, {"--console-log", "a"}, {"--nonsense"},
		{"--console-socket", "a", "--console-log", "b", "more"},
		{"--console-socket", "a", "--console-log", "b", "--log-format", "xml"},
		{"--console-socket", "a", "--console-log", "b", "--share-fd", "4"},
		{"--console-socket", "/missing/a", "--console-log", "b"},
	} {
		var stderr bytes.Buffer
		if code := run(args, &stderr); code != 1 || stderr.Len() == 0 {
			t.Errorf("%q: code %d, %q", args, code, stderr.String())
		}
	}
}

// listenFD answers a listening socket at path as a descriptor, as kata-runtime
// leaves it to the proxy.
func listenFD(t *testing.T, path string) int {
	t.Helper()
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestWholeLife(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	agent, err := sock.Listen(in("agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	console, err := sock.Listen(in("console.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	code := make(chan int, 1)
	fd := listenFD(t, in("proxy.sock"))
	go func() {
		code <- run([]string{
			"--sandbox", "s1", "--agent-socket", in("agent.sock"), "--listen-fd", strconv.Itoa(fd),
			"--console-socket", in("console.sock"), "--console-log", in("console.log"), "--log", in("proxy.log"),
			"--log-format", "json", "--debug", "--keep-short", in("no such log"),
		}, io.Discard)
	}()
	screen, err := console.Accept()
	if err != nil {
		t.Fatal(err)
	}
	port, err := agent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	session, err := peer.Server(port)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sock.Dial(t.Context(), in("proxy.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A client speaks first: the guest learns of it by that.
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	stream, err := session.Accept()
	if err != nil {
		t.Fatal(err)
	}
	stream.Write([]byte("hello"))
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	// The guest says its last words and dies.
	screen.Write([]byte("Kernel panic\n"))
	session.Close()
	screen.Close()
	select {
	case got := <-code:
		if got != 0 {
			t.Errorf("code %d", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("the proxy does not end")
	}
	if data, err := os.ReadFile(in("console.log")); err != nil || string(data) != "Kernel panic\n" {
		t.Errorf("console log %q, %v", data, err)
	}
	data, err := os.ReadFile(in("proxy.log"))
	if err != nil || !strings.Contains(string(data), "the VM has ended") || !strings.Contains(string(data), `"sandbox":"s1"`) {
		t.Errorf("log %q, %v", data, err)
	}
}

func TestConsoleAlone(t *testing.T) {
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "console.sock"), filepath.Join(dir, "console.log")
	console, err := sock.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	code := make(chan int, 1)
	go func() {
		code <- run([]string{"--console-socket", socket, "--console-log", file}, io.Discard)
	}()
	screen, err := console.Accept()
	if err != nil {
		t.Fatal(err)
	}
	screen.Write([]byte("booting\n"))
	screen.Close()
	if got := <-code; got != 0 {
		t.Errorf("code %d", got)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "booting\n" {
		t.Errorf("console log %q, %v", data, err)
	}
}

func TestInheritedMustBeASocket(t *testing.T) {
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	if l, err := inherited(fd); err == nil {
		t.Errorf("taken: %v", l)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "console.sock")
	console, err := sock.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	ctx, cancel := context.WithCancel(context.Background())
	o, err := parse([]string{"--console-socket", socket, "--console-log", filepath.Join(dir, "log")}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	logger, err := o.logger(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx, o, logger) }()
	var screen net.Conn
	if screen, err = console.Accept(); err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	cancel()
	// The context may end before connect(2) has returned.
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("serve = %v", err)
	}
}
