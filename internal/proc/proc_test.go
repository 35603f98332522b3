package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func start(t *testing.T) (*exec.Cmd, Handle) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	h, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, h
}

func TestKillLeavesAZombieThatCountsAsGone(t *testing.T) {
	_, h := start(t)
	if !h.Alive() {
		t.Fatal("not alive")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	// Nobody has waited for it: it is a zombie now.
	if h.Alive() {
		t.Error("a zombie counts as alive")
	}
	if err := h.Signal(unix.SIGTERM); !errors.Is(err, ErrGone) {
		t.Errorf("Signal = %v, want ErrGone", err)
	}
	if err := h.Wait(ctx); err != nil {
		t.Errorf("Wait = %v", err)
	}
}

func TestReusedPidIsAnotherProcess(t *testing.T) {
	_, h := start(t)
	h.StartTime--
	if h.Alive() {
		t.Error("another start time counts as alive")
	}
	if err := h.Signal(unix.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("Signal = %v, want ErrGone", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	_, h := start(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v, want Canceled", err)
	}
}

func TestOfNoProcess(t *testing.T) {
	if _, err := Of(0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Of(0) = %v", err)
	}
	var none Handle
	if none.Alive() || !errors.Is(none.Signal(0), ErrGone) {
		t.Error("the zero handle names a process")
	}
}

func TestMarked(t *testing.T) {
	dir := t.TempDir()
	// The child of a marked process is found, too, and no other folder's.
	cmd := exec.Command("sh", "-c", "cd /; sleep 1000 & echo; wait")
	cmd.Env = []string{Mark(dir)}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	found, err := Marked(dir)
	if err != nil || len(found) != 2 {
		t.Errorf("found %v, %v, want the shell and its child", found, err)
	}
	for _, h := range found {
		h.Signal(unix.SIGKILL)
	}
	cmd.Wait()
	if found, err := Marked(dir + "2"); err != nil || found != nil {
		t.Errorf("found %v, %v of another folder", found, err)
	}
}

// A process that is just replacing its program shows no environment, and yet
// belongs to its folder: a forked child is in that state for a while.
func TestMarkedInMidExec(t *testing.T) {
	dir := t.TempDir()
	again := `exec sh -c "$AGAIN"`
	cmd := exec.Command("sh", "-c", again)
	cmd.Env = []string{Mark(dir), "AGAIN=" + again}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for range 200 {
		found, err := Marked(dir)
		if err != nil || len(found) != 1 || found[0].PID != cmd.Process.Pid {
			t.Fatalf("found %v, %v, want process %d", found, err, cmd.Process.Pid)
		}
	}
}
