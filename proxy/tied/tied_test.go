package tied

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// process starts one and answers its pidfd, as it is inherited.
func process(t *testing.T) (*exec.Cmd, *os.File) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, file
}

func TestVMEndsWithItsShare(t *testing.T) {
	share, shareFD := process(t)
	vm, vmFD := process(t)
	var log bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		Processes(slog.New(slog.NewTextHandler(&log, nil)), shareFD, vmFD)
	}()
	select {
	case <-done:
		t.Fatalf("both live, and it ended: %s", log.String())
	case <-time.After(50 * time.Millisecond):
	}
	share.Process.Kill()
	share.Wait()
	if err := vm.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the VM: %v", err)
	}
	<-done
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "virtiofsd has ended") {
		t.Errorf("log %q", log.String())
	}
}

// As at each sandbox's end.
func TestShareThatEndsWithTheVM(t *testing.T) {
	share, shareFD := process(t)
	vm, vmFD := process(t)
	share.Process.Kill()
	share.Wait()
	vm.Process.Kill()
	vm.Wait()
	var log bytes.Buffer
	Processes(slog.New(slog.NewTextHandler(&log, nil)), shareFD, vmFD)
	if log.Len() > 0 {
		t.Errorf("log %q", log.String())
	}
}

func TestNoPidfd(t *testing.T) {
	if f, err := Open(1 << 20); err == nil {
		t.Errorf("opened %v", f)
	}
}
