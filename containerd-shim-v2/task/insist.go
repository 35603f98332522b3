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
	again := t.killed
	t.killed = true
	s.mu.Unlock()
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
	wanted := false
	for _, other := range s.tasks {
		wanted = wanted || !other.infra && !other.late && !other.init.over()
	}
	s.mu.Unlock()
	if t.init.over() {
		return // just now
	}
	// The infra container's end is the pod's.
	if wanted && !t.infra {
		s.Log.Warn("the container does not end after SIGKILL; others in its VM go on", "container", t.id)
		return
	}
	s.Log.Warn("the container does not end after SIGKILL: ending its VM", "container", t.id)
	if err := t.host.EndVM(context.Background(), t.id); err != nil {
		s.Log.Error("the VM does not end", "container", t.id, "error", err)
	}
}
