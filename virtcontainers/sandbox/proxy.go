package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/internal/log"
	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

func (c *AgentConfig) kernelParams() []string {
	if c.EnableDebug {
		return []string{"agent.log=debug"}
	}
	return nil
}

// startProxy starts kata-proxy: it carries connections to the agent if there
// is no vsock (listener is its socket then), keeps the guest's console, and ends
// the VM if virtiofsd ends.
func (b *boot) startProxy(st *State, listener *os.File) error {
	args := []string{
		"--sandbox", st.ID, "--console-socket", filepath.Join(b.vmDir, consoleSocket), "--console-log", consoleLog,
		"--keep-short", filepath.Join(b.vmDir, hypervisor.LogFile), "--own-mounts",
	}
	if b.config.Proxy.EnableDebug {
		args = append(args, "--debug")
	}
	cmd := exec.Command(b.config.Proxy.Path, args...)
	inherit := func(option string, file *os.File) {
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
		cmd.Args = append(cmd.Args, option, strconv.Itoa(2+len(cmd.ExtraFiles)))
	}
	if listener != nil {
		cmd.Args = append(cmd.Args, "--agent-socket", filepath.Join(b.vmDir, agentSocket))
		inherit("--listen-fd", listener)
	}
	if b.daemon != nil {
		cmd.Args = append(cmd.Args, "--keep-short", shareLog)
		for _, p := range []struct {
			option, name string
			handle       proc.Handle
		}{{"--share-fd", "virtiofsd", st.ShareDaemon}, {"--vm-fd", "QEMU", st.VM.Process}} {
			file, err := p.handle.Pidfd()
			if err != nil {
				return fmt.Errorf("start kata-proxy: %s: %w", p.name, err)
			}
			defer file.Close()
			inherit(p.option, file)
		}
	}
	if b.greeted {
		cmd.Args = append(cmd.Args, "--resync")
	}
	// Opened here, so that a full disk is this process's error.
	logFile, err := log.Open(filepath.Join(b.dir.Path, proxyLog))
	if err != nil {
		return fmt.Errorf("start kata-proxy: %w", err)
	}
	defer logFile.Close()
	cmd.Stderr = logFile
	cmd.Dir = b.dir.Path
	cmd.Env = []string{proc.Mark(b.dir.Path)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNS}
	// In the sandbox's namespace: an engine that gets no shim's pid gets this one.
	if err := st.start(cmd); err != nil {
		return fmt.Errorf("start kata-proxy: %w: check path in [proxy.kata]", err)
	}
	b.proxy = mind("kata-proxy", cmd, logFile.Name())
	if st.Proxy, err = proc.Of(cmd.Process.Pid); err != nil {
		cmd.Process.Kill()
		return fmt.Errorf("start kata-proxy: %w", err)
	}
	return nil
}

// consoleLines and consoleBytes bound what of the console goes into an error.
const (
	consoleLines = 5
	consoleBytes = 4096
)

// consoleTail answers the last lines of the guest's console on one line, and
// before them what its kernel panicked of, behind which it prints a stack.
func consoleTail(path string) string {
	data, err := os.ReadFile(path) // bounded by the proxy
	if err != nil {
		return ""
	}
	if len(data) > consoleBytes {
		data = data[len(data)-consoleBytes:]
	}
	var lines []string
	panicked := -1
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(wire.Printable(line)); line == "" {
			continue
		}
		if panicked < 0 && strings.Contains(line, "Kernel panic - not syncing") {
			panicked = len(lines)
		}
		lines = append(lines, line)
	}
	last := lines[max(0, len(lines)-consoleLines):]
	if panicked >= 0 && panicked < len(lines)-consoleLines {
		last = append([]string{lines[panicked]}, last...)
	}
	return strings.Join(last, " | ")
}
