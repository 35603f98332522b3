package floor

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
)

// deadline is for one boot: far beyond what any takes that works.
const deadline = 60 * time.Second

// Floor boots bare guests on one machine.
type Floor struct {
	machine Machine
	// line and serial are the initrds of the two guests.
	line, serial string
	modules      int
}

// New prepares the guests' files in dir, which must outlive the Floor.
func New(ctx context.Context, m Machine, dir string) (*Floor, error) {
	init, err := compile(ctx, dir)
	if err != nil {
		return nil, err
	}
	f := &Floor{machine: m, line: filepath.Join(dir, "floor-line.img"), serial: filepath.Join(dir, "floor-serial.img")}
	list, err := modules(m.Initrd)
	if err != nil {
		return nil, err
	}
	f.modules = len(list)
	if err := writeInitrd(f.line, init, nil); err != nil {
		return nil, err
	}
	return f, writeInitrd(f.serial, init, list)
}

// Boot is how long a bare guest took from QEMU's launch.
type Boot struct {
	// Line is when the first line of its first program arrived, Exit when QEMU
	// had ended.
	Line, Exit time.Duration
}

// Line boots a guest whose first program prints a line and ends the machine.
func (f *Floor) Line(ctx context.Context) (Boot, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	q := f.command(ctx, f.line, "floor=line")
	out, err := q.cmd.StdoutPipe()
	if err != nil {
		return Boot{}, err
	}
	start := time.Now()
	if err := q.cmd.Start(); err != nil {
		return Boot{}, fmt.Errorf("bare guest: %w", err)
	}
	var b Boot
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "floor: up") {
			b.Line = time.Since(start)
		} else {
			q.console.WriteString(lines.Text() + "\n")
		}
	}
	err = q.cmd.Wait()
	b.Exit = time.Since(start)
	if err != nil || b.Line == 0 {
		return Boot{}, q.failure(err)
	}
	return b, nil
}

// Answer is what a bare guest that answers on a serial port costs.
type Answer struct {
	// First is when its first byte arrived, from QEMU's launch.
	First time.Duration
	// PSS is QEMU's memory then, in bytes.
	PSS int64
}

// Serial boots a guest whose first program writes a byte to a virtio serial
// port, like the one by which an agent is reached, and ends it then.
func (f *Floor) Serial(ctx context.Context) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	q, ours, err := f.port(ctx, "floor=serial")
	if err != nil {
		return Answer{}, err
	}
	defer ours.Close()
	// QEMU's end closes the port, so this returns then too.
	_, readErr := ours.Read(make([]byte, 1))
	a := Answer{First: time.Since(q.start)}
	if readErr == nil {
		a.PSS, readErr = footprint.PSS(q.cmd.Process.Pid)
	}
	killErr := q.cmd.Process.Kill()
	waitErr := q.cmd.Wait()
	if readErr != nil {
		if killErr == nil && ctx.Err() == nil {
			waitErr = readErr
		}
		return Answer{}, q.failure(waitErr)
	}
	return a, nil
}

// port starts a guest with a virtio serial port and answers our end of it.
// more change QEMU before it starts.
func (f *Floor) port(ctx context.Context, params string, more ...func(*qemu)) (*qemu, *os.File, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("bare guest: %w", err)
	}
	theirs, ours := os.NewFile(uintptr(ends[0]), "port"), os.NewFile(uintptr(ends[1]), "port")
	q := f.command(ctx, f.serial, fmt.Sprintf("%s modules=%d", params, f.modules))
	q.cmd.Args = append(q.cmd.Args,
		"-chardev", "socket,id=port,fd=3",
		"-device", "virtio-serial-"+f.machine.bus()+",max_ports=2",
		"-device", "virtserialport,nr=1,chardev=port,name=floor")
	q.cmd.ExtraFiles = []*os.File{theirs}
	q.cmd.Stdout = &q.console
	for _, change := range more {
		change(q)
	}
	q.start = time.Now()
	err = q.cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, nil, fmt.Errorf("bare guest: %w", err)
	}
	return q, ours, nil
}

// qemu is one QEMU in the making.
type qemu struct {
	cmd             *exec.Cmd
	start           time.Time
	console, errors bytes.Buffer
}

func (f *Floor) command(ctx context.Context, initrd, params string) *qemu {
	q := &qemu{cmd: exec.CommandContext(ctx, f.machine.QEMU, f.machine.args(initrd, params)...)}
	q.cmd.Stderr = &q.errors
	// A terminal's interrupt is ours to handle.
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return q
}

// failure explains by what QEMU and the guest said last.
func (q *qemu) failure(err error) error {
	said := strings.TrimSpace(q.errors.String() + " " + q.console.String())
	if len(said) > 600 {
		said = "…" + said[len(said)-600:]
	}
	if err == nil {
		return fmt.Errorf("bare guest: ended without a word of its init: %s", said)
	}
	return fmt.Errorf("bare guest: %w: %s", err, said)
}
