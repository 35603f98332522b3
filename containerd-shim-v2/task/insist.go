package task

import (
	"context"
	"time"
)

// killPatience is how long a container may take to end after SIGKILL. It is for a
// guest that lies or hangs: the slowest honest ones have to write what the process
// had written before it may end.
const killPatience = 2 * time.Minute

// insist sees to it that a container that was sent SIGKILL ends: the guest may
// take the signal and never tell of the end, or not answer, and containerd, which
// waits for that, would never stop the pod. When the time is over, the VM is ended,
// unless a container in it goes on that nobody wants to end.
func (s *Service) insist(t *task) {
	s.mu.Lock()
	again, tooLate := t.killed, t.late
	t.killed = true
	s.mu.Unlock()
	if tooLate {
		go s.overdue(t) // what went on then may have ended
	}
	if again {
		return
	}
	late := s.after(killPatience)
	go func() {
		select {
		case <-t.init.done:
		case <-t.gone:
		case <-late:
			s.overdue(t)
		}
	}()
}

// overdue is told of a container that has not ended in time.
func (s *Service) overdue(t *task) {
	s.mu.Lock()
	t.late = true
	s.mu.Unlock()
	if t.init.over() {
		return // just now
	}
	s.Log.Warn("the container does not end after SIGKILL: its VM is to end", "container", t.id)
	err := t.host.EndVM(context.Background(), t.id, func(id string) bool {
		return t.infra || s.isGoing(id) // the infra container's end is the pod's
	})
	if err != nil {
		s.Log.Error("the VM goes on", "container", t.id, "error", err)
	}
}

// isGoing tells whether a container has ended, or is late in doing so. One of
// another service, which has joined the VM, does neither.
func (s *Service) isGoing(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	return t != nil && (t.late || t.init.over())
}
