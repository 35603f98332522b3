package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
)

// piece is how much is written or read at a time, in bytes, here and there.
const piece = 64 << 10

// deadline is for one command: far beyond what any takes that works.
const deadline = 3 * time.Minute

// exec starts a process in the container that takes bytes or gives as many, or
// two that pass them on, and answers how many went per second. What the start
// and the end of the process cost does not count: it says when it begins, and
// when it has all.
func (p *Part) exec(ctx context.Context, way string) (float64, error) {
	n := p.bytes
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	script := map[string]string{
		out:  "echo; exec busybox dd if=/dev/zero bs=64k count=%d 2>/dev/null",
		in:   "echo; busybox dd of=/dev/null bs=64k 2>/dev/null; echo",
		both: "echo; exec busybox cat",
		pipe: "echo; busybox dd if=/dev/zero bs=64k count=%d 2>/dev/null | busybox dd of=/dev/null bs=64k 2>/dev/null; echo",
	}[way]
	if way == out || way == pipe {
		script = fmt.Sprintf(script, n/piece)
	}
	cmd := exec.CommandContext(ctx, p.kata.Binary, "--root", p.kata.Root, "exec", p.id, "/bin/busybox", "sh", "-c", script)
	cmd.Env = append(os.Environ(), p.kata.Env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	rate, moveErr := transfer(way, n, stdin, stdout)
	if moveErr != nil {
		cmd.Process.Signal(unix.SIGTERM)
	}
	stdin.Close()
	if err := errors.Join(moveErr, cmd.Wait()); err != nil {
		return 0, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return rate, nil
}

func transfer(way string, n int64, stdin io.WriteCloser, stdout io.Reader) (float64, error) {
	var line [1]byte
	if _, err := io.ReadFull(stdout, line[:]); err != nil {
		return 0, fmt.Errorf("the process did not begin: %w", err)
	}
	start := time.Now()
	sent := make(chan error, 1)
	if way == out || way == pipe {
		sent <- nil
	} else {
		go func() { sent <- send(stdin, n) }()
	}
	want := n
	if way == in || way == pipe {
		want = 1 // the last word
	}
	buffer := make([]byte, piece)
	for want > 0 {
		got, err := stdout.Read(buffer)
		if err != nil {
			return 0, fmt.Errorf("%d bytes are missing: %w", want, err)
		}
		want -= int64(got)
	}
	took := time.Since(start)
	if err := <-sent; err != nil {
		return 0, err
	}
	if want < 0 {
		return 0, fmt.Errorf("%d bytes too many", -want)
	}
	return float64(n) / took.Seconds(), nil
}

// send writes n bytes and closes.
func send(stdin io.WriteCloser, n int64) error {
	buffer := make([]byte, piece)
	for n > 0 {
		m, err := stdin.Write(buffer[:min(piece, n)])
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return stdin.Close()
}

// guest is the role of QEMU's threads that are the guest's CPUs.
const guest = "guest"

// cpu answers the CPU time of each role of the sandbox's host processes, QEMU's
// by thread: what a guest's code costs is that of the thread of its CPU.
func (p *Part) cpu() (map[string]time.Duration, error) {
	roles, err := footprint.Processes(p.kata.Root, p.id)
	if err != nil {
		return nil, err
	}
	sums := map[string]time.Duration{}
	for pid, role := range roles {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return nil, err
		}
		for _, task := range tasks {
			name, err := os.ReadFile(task + "/comm")
			if err != nil {
				continue // it has ended
			}
			data, err := os.ReadFile(task + "/schedstat")
			if err != nil {
				continue
			}
			var ns int64
			// proc(5), /proc/PID/schedstat: the first is the time spent on the CPU.
			if _, err := fmt.Sscan(string(data), &ns); err != nil {
				return nil, fmt.Errorf("%s/schedstat: %w", task, err)
			}
			key := role
			if role == footprint.QEMU && bytes.HasPrefix(name, []byte("CPU ")) {
				key = guest
			}
			sums[key] += time.Duration(ns)
		}
	}
	return sums, nil
}
