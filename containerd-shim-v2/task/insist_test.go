package task

import (
	"os/exec"
	"testing"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// stubborn is a pod with two members in a VM whose guest cannot be reached. late
// lets the time of the last that was killed be over; ended is closed at the VM's end.
func stubborn(t *testing.T) (s *Service, late chan<- time.Time, ended <-chan struct{}) {
	s = quiet(t)
	vm := exec.Command("sleep", "1000")
	if err := vm.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		vm.Wait()
		close(over)
	}()
	t.Cleanup(func() {
		vm.Process.Kill()
		<-over
	})
	store, err := state.Open(s.Root)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := store.Create("pod", "pod")
	if err != nil {
		t.Fatal(err)
	}
	st := new(sandbox.State)
	err = dir.Update(st, func() (err error) {
		st.ID, st.Agent, st.Containers = "pod", "unix:///nowhere/agent.sock", map[string]*sandbox.Container{}
		for _, id := range []string{"pod", "a", "b"} {
			c := &sandbox.Container{ID: id, Infra: id == "pod", Started: true}
			if c.Service, err = proc.Of(vm.Process.Pid); err != nil {
				return err
			}
			st.VM.Process, st.Containers[id] = c.Service, c
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	host, err := sandbox.NewHost(s.Root, &sandbox.Settings{}, s.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"pod", "a", "b"} {
		if id != "pod" {
			if err := dir.Claim(id); err != nil {
				t.Fatal(err)
			}
		}
		s.tasks[id] = &task{id: id, ready: true, infra: id == "pod", host: host, init: newProcess("", streams{}), gone: make(chan struct{})}
	}
	clock := make(chan time.Time)
	s.after = func(d time.Duration) <-chan time.Time {
		if d < time.Minute {
			t.Errorf("it is given %v only", d)
		}
		return clock
	}
	return s, clock, over
}

// kill sends SIGKILL; its guest does not answer.
func kill(t *testing.T, s *Service, id string) {
	t.Helper()
	if _, err := s.Kill(t.Context(), &taskapi.KillRequest{ID: id, Signal: uint32(unix.SIGKILL)}); err == nil {
		t.Errorf("%s: the signal got somewhere", id)
	}
}

func isEnded(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the VM goes on")
	}
}

func TestAPodThatDoesNotEnd(t *testing.T) {
	s, late, ended := stubborn(t)
	kill(t, s, "pod")
	kill(t, s, "pod")
	late <- time.Time{}
	isEnded(t, ended)
}

func TestTheLastContainerThatDoesNotEnd(t *testing.T) {
	s, late, ended := stubborn(t)
	s.tasks["b"].init.never(0)
	kill(t, s, "a")
	late <- time.Time{}
	isEnded(t, ended)
}

func TestContainersThatDoNotEnd(t *testing.T) {
	s, late, ended := stubborn(t)
	s.overdue(s.tasks["a"])
	goesOn(t, s)
	kill(t, s, "b")
	late <- time.Time{}
	isEnded(t, ended)
}

// One that is of another service and has joined the VM (docker run --network
// container:X) goes on, whatever becomes of ours.
func TestAContainerOfAnotherService(t *testing.T) {
	s, _, _ := stubborn(t)
	delete(s.tasks, "b")
	s.overdue(s.tasks["a"])
	goesOn(t, s)
}

func TestAContainerThatIsKilledAgain(t *testing.T) {
	s, _, ended := stubborn(t)
	s.overdue(s.tasks["a"])
	goesOn(t, s)
	s.tasks["b"].init.never(0)
	kill(t, s, "a")
	isEnded(t, ended)
}

func TestAContainerThatEndsInTime(t *testing.T) {
	s, _, _ := stubborn(t)
	for _, id := range []string{"a", "b"} {
		s.tasks[id].init.never(137)
		s.overdue(s.tasks[id])
	}
	goesOn(t, s)
}

// goesOn: its containers run as long as their VM does.
func goesOn(t *testing.T, s *Service) {
	t.Helper()
	if info, err := s.tasks["a"].host.Status("b"); err != nil || info.Status != container.Running {
		t.Fatalf("the VM was ended: %+v, %v", info, err)
	}
}
