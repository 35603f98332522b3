package service

import (
	"context"
	"sync"
)

// making knows what is being made, so that a call that takes it back can wait
// until there is something to take back: a caller that has given up calls by
// another connection, which may overtake the news that the first one is closed.
// The zero value is ready; its methods may be called at the same time.
type making struct {
	mu   sync.Mutex
	done map[string]chan struct{}
}

// key names a container, or with an execID one of its processes: neither id has
// a slash in it.
func key(containerID, execID string) string { return containerID + "/" + execID }

// begin says that what has the key is being made; the answer ends that. A second
// one for the same key, which will be refused, changes nothing.
func (m *making) begin(key string) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done[key] != nil {
		return func() {}
	}
	if m.done == nil {
		m.done = map[string]chan struct{}{}
	}
	done := make(chan struct{})
	m.done[key] = done
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.done, key)
		close(done)
	}
}

// wait returns when what has the key is not being made, or ctx has ended.
func (m *making) wait(ctx context.Context, key string) {
	m.mu.Lock()
	done := m.done[key]
	m.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}
