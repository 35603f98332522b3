package share

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/internal/thread"
)

// Daemon is a running virtiofsd that this process started. It serves one
// connection and ends with it, so also when QEMU dies.
type Daemon struct {
	// Process is what to keep in the state.
	Process proc.Handle
	// Warnings name what the host does not let the daemon have, one line each.
	Warnings []string

	socket string
	done   chan struct{}
	err    error // valid once done is closed
}

// StartVirtioFSD starts the daemon of choice for the folder. dir is the
// sandbox's own; logFile gets what the daemon prints (appended, 0600), which a
// guest can make it do without end: somebody must keep it short. It returns at once: Connect may follow, as the socket listens already. Done and
// Err tell when and why the daemon ended.
func StartVirtioFSD(c Config, choice Choice, dir string, f *Folder, logFile string) (_ *Daemon, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start %s: %w", choice.Daemon, err)
		}
	}()
	dialect, err := dialectOf(choice.Daemon)
	if err != nil {
		return nil, err
	}
	d := &Daemon{socket: filepath.Join(dir, "virtiofsd.sock"), done: make(chan struct{})}
	listener, err := sock.Listen(d.socket)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	defer func() {
		if err != nil {
			os.Remove(d.socket)
		}
	}()
	socket, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	start, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	limit, warning := openFiles()
	if warning != "" {
		d.Warnings = append(d.Warnings, warning)
	}
	cmd := exec.Command(choice.Daemon, dialect.args(c, f.dir, limit)...)
	// Its mark finds it if the sandbox's state does not name it yet.
	cmd.Dir = dir
	cmd.Env = []string{proc.Mark(dir)}
	cmd.ExtraFiles = []*os.File{socket} // fd 3
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = thread.Run(func() (bool, error) {
		// The thread is thrown away, because this cannot be taken back.
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return false, fmt.Errorf("no_new_privs: %w", err)
		}
		return false, cmd.Start()
	})
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(d.done)
		d.err = ended(cmd.Wait(), choice.Daemon, logFile, start)
	}()
	if d.Process, err = proc.Of(cmd.Process.Pid); err != nil {
		<-d.done
		return nil, d.err
	}
	return d, nil
}

// wantFiles is the number of open files below which a guest with many files
// in use will meet EMFILE: the daemon holds one for each inode that the guest
// caches. 1000000 is what virtiofsd itself asks for.
const wantFiles = 1000000

// openFiles answers the limit to give the daemon: never above the hard limit,
// so that no privilege is needed.
func openFiles() (limit uint64, warning string) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, "virtiofsd: the limit of open files is unknown: " + err.Error()
	}
	if l.Max < wantFiles {
		warning = fmt.Sprintf("virtiofsd gets %d open files, the host's hard limit; a guest that uses more files at a time will fail", l.Max)
	}
	return min(l.Max, wantFiles), warning
}

// ended turns the daemon's end into an error with its own last lines, or nil if
// it ended because the VM did.
func ended(err error, daemon, logFile string, start int64) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s ended: %w%s", daemon, err, tail(logFile, start))
}

// tail answers the last lines that a program wrote behind start, as a suffix
// for an error of one line.
func tail(path string, start int64) string {
	const most = 1024 // bytes; some lines
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		if start > size {
			start = 0 // it was cut since
		}
		start = max(start, size-most)
	}
	text := make([]byte, most)
	n, _ := f.ReadAt(text, start)
	lines := bytes.FieldsFunc(text[:n], func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) == 0 {
		return ""
	}
	lines = lines[max(0, len(lines)-3):]
	return ": " + strings.ToValidUTF8(string(bytes.Join(lines, []byte("; "))), "?")
}

// Connect answers the one connection that the daemon serves, for QEMU. The
// socket is gone afterwards: nobody else can connect.
func (d *Daemon) Connect() (*os.File, error) {
	conn, err := sock.Dial(context.Background(), d.socket)
	if err != nil {
		return nil, errors.Join(err, d.Err())
	}
	defer conn.Close()
	if err := os.Remove(d.socket); err != nil {
		return nil, err
	}
	return conn.File()
}

// Done is closed when the daemon has ended.
func (d *Daemon) Done() <-chan struct{} { return d.done }

// Err says how the daemon failed, with its last lines. It is nil while it runs
// and if it ended because its connection did.
func (d *Daemon) Err() error {
	select {
	case <-d.done:
		return d.err
	default:
		return nil
	}
}

// Stop ends the daemon and removes its socket, for undo; idempotent.
func (d *Daemon) Stop(ctx context.Context) error {
	err := d.Process.Kill(ctx)
	if err == nil {
		<-d.done
	}
	if rm := os.Remove(d.socket); rm != nil && !errors.Is(rm, os.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}
