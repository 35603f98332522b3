package container

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Guard is a process that goes on if we are killed: a kata-shim that stands for
// no process of a guest.
type Guard struct {
	cmd  *exec.Cmd
	gate *os.File
}

// StartGuard starts the kata-shim at path as a guard. It runs command if this
// process ends before it has called End, however it ends.
func StartGuard(path string, command []string) (*Guard, error) {
	theirs, gate, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	defer theirs.Close()
	cmd := exec.Command(path, append([]string{"--guard", "--start-fd", "3", "--"}, command...)...)
	cmd.ExtraFiles = []*os.File{theirs}
	// What ends our terminal's processes does not end it. An engine waits for the
	// end of our streams, which it does not have.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start guard %s: %w", path, err), gate.Close())
	}
	return &Guard{cmd, gate}, nil
}

// End ends the guard, and waits for that.
func (g *Guard) End() error {
	_, err := g.gate.Write([]byte{1})
	if err = errors.Join(err, g.gate.Close(), g.cmd.Wait()); err != nil {
		return fmt.Errorf("guard %d: %w", g.cmd.Process.Pid, err)
	}
	return nil
}
