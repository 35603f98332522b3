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

// HelperSpec says what a sandbox's helper in its network namespace does. It is
// a kata-shim that stands for no process.
type HelperSpec struct {
	// Path is kata-shim's, Agent the agent's address.
	Path, Agent string
	// Dir is the sandbox's folder: the helper's working directory, and its mark.
	Dir string
	// Servers are name servers of the namespace that the guest is lent.
	Servers []string
	// Changes is a socket that tells of changes of the namespace; nil if nobody
	// follows them. OnChange is the command for each, and VM a pidfd of the
	// process with which the helper ends.
	Changes, VM *os.File
	OnChange    []string
	// OwnLinks begins the names of the links that we make.
	OwnLinks string
}

// Start starts the helper; start chooses the network namespace. It returns when
// the guest listens for names, if it is lent any. The helper outlives us and
// ends with the VM. After an error there is none.
func (h *HelperSpec) Start(ctx context.Context, start func(*exec.Cmd) error) (proc.Handle, error) {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return proc.Handle{}, err
	}
	defer ready.Close()
	cmd := exec.Command(h.Path, "--agent", h.Agent, "--start-fd", "3")
	cmd.ExtraFiles = []*os.File{theirs}
	if len(h.Servers) > 0 {
		cmd.Args = append(cmd.Args, "--names", strings.Join(h.Servers, ","))
	}
	if h.Changes != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, h.Changes, h.VM)
		cmd.Args = append(cmd.Args, "--changes-fd", "4", "--vm-fd", "5", "--own-links", h.OwnLinks, "--")
		cmd.Args = append(cmd.Args, h.OnChange...)
	}
	cmd.Dir = h.Dir
	cmd.Env = []string{proc.Mark(h.Dir)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = start(cmd)
	theirs.Close()
	if err != nil {
		return proc.Handle{}, fmt.Errorf("start %s: %w", h.Path, err)
	}
	handle, err := proc.Of(cmd.Process.Pid)
	if err == nil && len(h.Servers) > 0 {
		stop := context.AfterFunc(ctx, func() { ready.Close() })
		defer stop()
		if _, err = ready.Read(make([]byte, 1)); err != nil {
			err = errors.New("the guest cannot listen on their addresses")
		}
	}
	if err == nil {
		return handle, cmd.Process.Release()
	}
	cmd.Process.Kill()
	cmd.Wait() // its status says only that we ended it
	return proc.Handle{}, err
}
