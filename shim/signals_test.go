package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

func TestSignalsReachTheProcess(t *testing.T) {
	// Whoever calls the tests may ignore it (nohup), and a shell cannot trap what is
	// ignored from its beginning.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	g := newGuest(t)
	g.start(t, "", false, "sh", "-c", `
		for s in HUP INT QUIT USR1 USR2 TERM TSTP CONT ALRM; do trap "echo $s" $s; done
		trap 'echo WINCH' WINCH
		echo ready; while :; do sleep 0.02; done`) // not read: it may miss one that comes just before it waits
	s := newShim(t, g, "--title", "workload")
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.start(t)
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, %v, want %q", lines.Text(), lines.Err(), want)
		}
	}
	waitTitled(t, s.Process.Pid, "workload")
	// Nothing is released yet: this one must wait for the process.
	if err := s.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	s.release(t)
	expect("ready")
	expect("USR2")
	for name, sig := range map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "USR1": syscall.SIGUSR1,
		"TERM": syscall.SIGTERM, "TSTP": syscall.SIGTSTP, "CONT": syscall.SIGCONT, "ALRM": syscall.SIGALRM,
	} {
		// These stay here.
		s.Process.Signal(syscall.SIGWINCH)
		s.Process.Signal(syscall.SIGCHLD)
		s.Process.Signal(syscall.SIGPIPE)
		s.Process.Signal(syscall.SIGTTOU)
		if err := s.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		expect(name)
	}
	// It takes what comes before it is killed.
	if err := s.Process.Signal(syscall.Signal(40)); err != nil {
		t.Fatal(err)
	}
	if code := s.code(t); code != 128+40 {
		t.Errorf("code %d", code)
	}
}

// waitTitled waits until a shim has set its title, which it does when it
// catches signals already.
func waitTitled(t *testing.T, pid int, name string) {
	t.Helper()
	for {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			t.Fatal(err)
		}
		if string(data) == name+"\n" {
			return
		}
		runtime.Gosched()
	}
}

func TestTerminal(t *testing.T) {
	g := newGuest(t)
	g.start(t, "", true, "sh", "-c", `
		trap 'stty size' WINCH; echo ready
		until read x && [ -n "$x" ]; do :; done; echo "got $x"; stty size; echo sized
		until read x && [ -n "$x" ]; do :; done; exit 5`)
	master, path, err := console.NewPty()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := master.Resize(console.WinSize{Height: 33, Width: 77}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	s := newShim(t, g, "--terminal")
	s.Stdin, s.Stdout, s.Stderr = slave, slave, slave
	s.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s.start(t)
	flags := func() uint32 {
		mode, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return mode.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) | mode.Oflag&unix.OPOST<<16
	}
	// Until there is a process, Ctrl-C is for the runtime.
	for end := time.Now().Add(time.Minute); flags() != unix.ISIG|unix.OPOST<<16; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("flags %#x of the terminal before the process begins", flags())
		}
	}
	s.release(t)
	lines := bufio.NewScanner(master)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			// A scanner takes one carriage return off, the one of the guest's terminal:
			// ours adds no other.
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("no line %q: %v", want, lines.Err())
	}
	expect("ready")
	if flags() != 0 {
		t.Errorf("flags %#x of the terminal when the process runs", flags())
	}
	// Return is what a terminal's key sends: the guest's terminal makes a line
	// of it, ours must not.
	if _, err := master.Write([]byte("hello\r")); err != nil {
		t.Fatal(err)
	}
	expect("got hello")
	expect("33 77")
	expect("sized")
	if err := master.Resize(console.WinSize{Height: 44, Width: 88}); err != nil {
		t.Fatal(err)
	}
	expect("44 88")
	if _, err := master.Write([]byte("x\r")); err != nil {
		t.Fatal(err)
	}
	if code := s.code(t); code != 5 {
		t.Errorf("code %d", code)
	}
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal's mode is not what it was: %v, %v, %v", before, after, err)
	}
}
