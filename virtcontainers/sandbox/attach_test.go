package sandbox

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

func TestStatusOfAContainerThatAServiceStandsFor(t *testing.T) {
	c := &Container{Started: true}
	st := &State{Proxy: proc.Handle{PID: 42}}
	if err := c.stands(st, container.OwnShim(nil)); err != nil {
		t.Fatal(err)
	}
	if c.Service.PID != os.Getpid() || c.PID != 42 || c.pids() != nil {
		t.Errorf("service %d, pid %d, own processes %v", c.Service.PID, c.PID, c.pids())
	}
	if got := c.status(); got != container.Running {
		t.Errorf("status %s, want running", got)
	}
	c.Ended = true
	if got := c.status(); got != container.Stopped {
		t.Errorf("status %s after its end, want stopped", got)
	}
	c.Ended = false
	c.Service.StartTime++ // another process has the pid now
	if got := c.status(); got != container.Stopped {
		t.Errorf("status %s without its service, want stopped", got)
	}
}

func TestOwnShimAttachesAtRelease(t *testing.T) {
	no := errors.New("no")
	s := container.OwnShim(func() error { return no })
	if err := s.Release(); !errors.Is(err, no) {
		t.Errorf("Release = %v", err)
	}
	if err := s.Abandon(); err != nil {
		t.Errorf("Abandon = %v", err)
	}
}

// In the guest an empty id is the init's.
func TestCallsForAnExecWithoutAnID(t *testing.T) {
	h := new(Host)
	if err := h.SignalExec(t.Context(), "a", "", unix.SIGKILL); err == nil {
		t.Error("the signal was sent")
	}
	if err := h.ResizeExec(t.Context(), "a", "", 24, 80); err == nil {
		t.Error("a terminal was resized")
	}
}
