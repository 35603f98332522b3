package container

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/kata-go/kata-runtime/agent/pid1"
)

// Pause is the process that holds a sandbox's shared pid namespace open, and
// reaps what the containers in it leave behind.
type Pause struct {
	cmd *exec.Cmd
}

// StartPause starts one, in a pid namespace of its own. It is this program,
// which in that role never gets as far as Go (package pid1).
func StartPause() (*Pause, error) {
	cmd := exec.Command("/proc/self/exe", pid1.PauseArg)
	cmd.Args[0] = "/pause"
	cmd.Dir = "/"
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start pause process: %w", err)
	}
	// The agent's own -1000 is for the agent.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", cmd.Process.Pid), []byte("-998"), 0); err != nil {
		p := &Pause{cmd}
		return nil, errors.Join(fmt.Errorf("pause process: %w", err), p.End())
	}
	return &Pause{cmd}, nil
}

// PID answers its pid in the guest.
func (p *Pause) PID() int { return p.cmd.Process.Pid }

// End kills it, and with it all that is left in the namespace.
func (p *Pause) End() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end pause process: %w", err)
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("end pause process: %w", err)
	}
	return nil
}
