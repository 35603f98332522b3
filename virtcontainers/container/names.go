package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// StartNames starts the process that lends the guest the name servers of a
// network namespace, which start chooses, and returns when the guest listens.
// The process outlives us and ends with the VM. After an error there is none.
func StartNames(ctx context.Context, path, agent string, servers []string, dir string, start func(*exec.Cmd) error) (proc.Handle, error) {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return proc.Handle{}, err
	}
	defer ready.Close()
	cmd := exec.Command(path, "--agent", agent, "--names", strings.Join(servers, ","), "--start-fd", "3")
	cmd.Dir = dir
	cmd.Env = []string{proc.Mark(dir)}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = start(cmd)
	theirs.Close()
	if err != nil {
		return proc.Handle{}, fmt.Errorf("start %s: %w", path, err)
	}
	handle, err := proc.Of(cmd.Process.Pid)
	if err == nil {
		stop := context.AfterFunc(ctx, func() { ready.Close() })
		defer stop()
		if _, err = ready.Read(make([]byte, 1)); err == nil {
			return handle, cmd.Process.Release()
		}
		err = errors.New("the guest cannot listen on their addresses")
	}
	cmd.Process.Kill()
	cmd.Wait() // its status says only that we ended it
	return proc.Handle{}, err
}
