package task

import (
	"testing"
	"testing/synctest"

	"github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"github.com/containerd/containerd/api/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

// created answers a service with a container "a" of which the host knows nothing
// any more. In a bubble of synctest nothing of it may go on at the test's end.
func created(t *testing.T) (*Service, *task) {
	t.Helper()
	s := quiet(t)
	host, err := sandbox.NewHost(s.Root, &sandbox.Settings{}, s.Log)
	if err != nil {
		t.Fatal(err)
	}
	c := &task{id: "a", ready: true, host: host, bundle: t.TempDir(), init: newProcess("", streams{}),
		execs: map[string]*process{}, gone: make(chan struct{})}
	s.tasks["a"] = c
	return s, c
}

// A guest that hangs does not keep a deletion for ever; it can be repeated.
func TestDeleteWhileTheEndIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := created(t)
		if _, err := s.Delete(t.Context(), &taskapi.DeleteRequest{ID: "a"}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%v, want DeadlineExceeded", err)
		}
		c.init.never(137)
		if reply, err := s.Delete(t.Context(), &taskapi.DeleteRequest{ID: "a"}); err != nil || reply.ExitStatus != 137 {
			t.Errorf("%v, %v", reply, err)
		}
	})
}

func TestNothingIsLeftOfAContainerThatWasNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := created(t)
		close(c.init.drained)
		s.exited(c, c.init)
		if _, err := s.Delete(t.Context(), &taskapi.DeleteRequest{ID: "a"}); err != nil {
			t.Error(err)
		}
	})
}

// The end of a container that was started is told, however soon it is deleted.
func TestTheEndIsToldAfterADeletion(t *testing.T) {
	for range 50 {
		s := &Service{Config: Config{Events: &Events{queue: make(chan *types.Envelope, 1)}}}
		c := &task{id: "a", init: newProcess("", streams{}), gone: make(chan struct{})}
		c.init.begun()
		close(c.init.told)
		close(c.gone)
		s.exited(c, c.init)
		if e := <-s.Events.queue; e.Topic != topic(&events.TaskExit{}) {
			t.Fatalf("%s was told", e.Topic)
		}
	}
}

// Who waits for a process that is not to be started hears of it.
func TestWaitForAnExecThatIsNotStarted(t *testing.T) {
	for name, remove := range map[string]*taskapi.DeleteRequest{
		"it is deleted":            {ID: "a", ExecID: "e"},
		"its container is deleted": {ID: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := created(t)
				c.init.never(137)
				e := newProcess("e", streams{})
				if err := c.add(e); err != nil {
					t.Fatal(err)
				}
				waited := make(chan *taskapi.WaitResponse)
				go func() {
					reply, err := s.Wait(t.Context(), &taskapi.WaitRequest{ID: "a", ExecID: "e"})
					if err != nil {
						t.Error(err)
					}
					waited <- reply
				}()
				synctest.Wait()
				if _, err := s.Delete(t.Context(), remove); err != nil {
					t.Fatal(err)
				}
				if reply := <-waited; reply.GetExitStatus() != neverRan {
					t.Errorf("Wait = %v", reply)
				}
				if _, err := s.startExec(t.Context(), c, e); status.Code(err) != codes.FailedPrecondition {
					t.Errorf("its start answers %v", err)
				}
			})
		})
	}
}

func TestExecInAContainerThatIsGone(t *testing.T) {
	s, c := created(t)
	s.forget(c)
	if err := c.add(newProcess("e", streams{})); status.Code(err) != codes.NotFound {
		t.Errorf("%v, want NotFound", err)
	}
}
