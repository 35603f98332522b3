package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/internal/view"
)

// ShimConfig is the table [shim.kata].
type ShimConfig struct {
	// Path is the binary kata-shim.
	Path string `toml:"path"`
	// EnableDebug makes the shims log what they relay (never its content).
	EnableDebug bool `toml:"enable_debug"`
}

// Stdio is what a process on the host reads and writes for one in the guest.
type Stdio struct {
	Stdin, Stdout, Stderr *os.File
	// NewSession: the shim outlives us, in a session of its own.
	NewSession bool
	// NewGroup: the shim stays in our session, in a process group of its own,
	// so that a terminal's signals reach it only through us.
	NewGroup bool
}

// LogTarget is where a helper process logs. The zero value means nowhere.
type LogTarget struct {
	// File is appended to.
	File string
	// Format is "text" or "json".
	Format string
}

// ShimSpec says for which process a shim stands.
type ShimSpec struct {
	// Agent is the agent's address ("unix:///...", "vsock://CID:PORT").
	Agent string
	// Container and Exec name the process; Exec is empty for the init.
	Container, Exec string
	// Terminal: the process has one, and the shim, which puts it in raw mode if it is
	// standard input.
	Terminal bool
	// Title is the command line that the shim's process shows.
	Title []string
	// Stdio becomes the shim's. In a new session, a terminal becomes its
	// controlling one.
	Stdio Stdio
	// Stage is what the shim shows to engines that join its namespaces; nil
	// for an exec's shim, whose pid they do not look at.
	Stage *view.View
	// Bundle is the container's, for a file "oom" there and where our caller, if it
	// is conmon, would make one, too; empty for none.
	Bundle string
	// Forward: the shim brings connections to loopback addresses of its network
	// namespace to the guest.
	Forward bool
	// Clock: the shim keeps the guest's clock by the host's.
	Clock bool
	// Last: the init's end is the end of the container's other processes, and the
	// shim ends after theirs.
	Last bool
	// Dir is the sandbox's folder: the shim's working directory, and its mark.
	Dir string
	Log LogTarget
}

// Shim is a started shim that waits for its process to exist.
type Shim struct {
	Handle proc.Handle
	cmd    *exec.Cmd
	gate   *os.File
	attach func() error // of a caller that is its own shim
}

// OwnShim is the shim of a caller that stands for the process itself: Release
// calls attach. It has no Handle, and neither Wait nor Signal.
func OwnShim(attach func() error) *Shim { return &Shim{attach: attach} }

// StartShim starts a shim. It does nothing until Release; without a Release
// it ends with the last copy of our end of the gate, so with us.
func StartShim(config *ShimConfig, spec *ShimSpec, start func(*exec.Cmd) error) (*Shim, error) {
	gateRead, gateWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start shim: %w", err)
	}
	defer gateRead.Close()
	args := []string{
		"--agent", spec.Agent, "--container", spec.Container, "--start-fd", "3",
		"--title", title(spec.Title),
	}
	if spec.Exec != "" {
		args = append(args, "--exec", spec.Exec)
	}
	if spec.Terminal {
		args = append(args, "--terminal")
	}
	if spec.Bundle != "" {
		args = append(args, "--oom-dir", spec.Bundle)
		if dir := persistDir(os.Getppid()); dir != "" {
			args = append(args, "--oom-dir", dir)
		}
	}
	if spec.Forward {
		args = append(args, "--forward")
	}
	if spec.Clock {
		args = append(args, "--clock")
	}
	if config.EnableDebug {
		args = append(args, "--debug")
	}
	if spec.Log.File != "" {
		args = append(args, "--log", spec.Log.File, "--log-format", spec.Log.Format)
	}
	if spec.Stage != nil {
		stage, err := json.Marshal(spec.Stage)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start shim: %w", err), gateWrite.Close())
		}
		args = append(args, "--stage", string(stage))
	}
	lives, err := spec.lives()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start shim: %w", err), gateWrite.Close())
	}
	defer lives.Close()
	if spec.Last {
		args = append(args, "--lives-fd", "4")
	}
	cmd := exec.Command(config.Path, args...)
	cmd.Dir = spec.Dir
	cmd.Env = []string{proc.Mark(spec.Dir)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = spec.Stdio.Stdin, spec.Stdio.Stdout, spec.Stdio.Stderr
	cmd.ExtraFiles = []*os.File{gateRead, lives}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:  spec.Stdio.NewSession,
		Setctty: spec.Stdio.NewSession && spec.Terminal,
		Setpgid: spec.Stdio.NewGroup,
	}
	if spec.Stage != nil {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID
	}
	if err := start(cmd); err != nil {
		gateWrite.Close()
		return nil, fmt.Errorf("start shim %s: %w", config.Path, err)
	}
	handle, err := proc.Of(cmd.Process.Pid)
	if err != nil {
		gateWrite.Close()
		return nil, errors.Join(fmt.Errorf("start shim: %w", err), cmd.Wait())
	}
	return &Shim{Handle: handle, cmd: cmd, gate: gateWrite}, nil
}

func livesPath(dir, container string) string { return filepath.Join(dir, "lives-"+container) }

// Forget removes what shims leave in the folder of a sandbox that lives on; those
// of the container have ended.
func Forget(dir, container string) error {
	if err := os.Remove(livesPath(dir, container)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lives opens a file of the container's that the shims of its further processes
// hold locked as long as they live: the init's is to be the last.
func (spec *ShimSpec) lives() (*os.File, error) {
	f, err := os.OpenFile(livesPath(spec.Dir, spec.Container), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil || spec.Exec == "" {
		return f, err
	}
	// If the init's shim has it, the container has ended, and so will this process.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

// maxTitle is enough for ps, and far below what Linux lets one argument have
// (MAX_ARG_STRLEN, 128 KiB): all arguments of the process are one of the shim's.
const maxTitle = 4 << 10

func title(args []string) string {
	text := strings.Join(args, " ")
	return text[:min(len(text), maxTitle)]
}

// Release lets the shim attach to its process, which exists now.
func (s *Shim) Release() error {
	if s.attach != nil {
		return s.attach()
	}
	if _, err := s.gate.Write([]byte{1}); err != nil {
		return fmt.Errorf("shim %d has ended: %w", s.Handle.PID, err)
	}
	return s.gate.Close()
}

// Abandon ends a shim that was not released and collects it.
func (s *Shim) Abandon() error {
	if s.attach != nil {
		return nil
	}
	// First: the end of the gate has it look after a process that nobody takes back.
	s.cmd.Process.Kill()
	s.gate.Close()
	s.cmd.Wait() // its status says only that we killed it
	return nil
}

// Wait waits for the shim to end and answers its exit code, which is its
// process's.
func (s *Shim) Wait() (int, error) {
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return -1, fmt.Errorf("wait for shim %d: %w", s.Handle.PID, err)
	}
	status := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// Signal sends a signal to the shim, which passes it on.
func (s *Shim) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }
