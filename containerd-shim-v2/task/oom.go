package task

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/containerd/containerd/api/events"
)

// oomNews is what containerd has heard of kills for want of memory.
type oomNews struct {
	mu sync.Mutex
	// told: of one at least; ahead: of one that the guest's own event will be of.
	told, ahead bool
}

// oomHeard tells containerd of a kill that the guest has told of.
func (s *Service) oomHeard(t *task) {
	t.oom.mu.Lock()
	defer t.oom.mu.Unlock()
	if t.oom.ahead {
		t.oom.ahead = false
		return
	}
	t.oom.told = true
	s.Events.send(&events.TaskOOM{ContainerID: t.id})
}

// oomKilled tells of a container that was killed for want of memory, before its
// end is told: the guest's own event can come later, and who looks at an ended
// container would see no reason. CRI-O takes no events from us, but looks for a
// file.
func (s *Service) oomKilled(t *task) {
	t.oom.mu.Lock()
	if !t.oom.told {
		t.oom.told, t.oom.ahead = true, true
		s.Events.send(&events.TaskOOM{ContainerID: t.id})
	}
	t.oom.mu.Unlock()
	file, err := os.OpenFile(filepath.Join(t.bundle, "oom"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.Log.Warn("cannot tell of a kill for want of memory", "container", t.id, "error", err)
		return
	}
	file.Close()
}
