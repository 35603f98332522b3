package service

import (
	"sync"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/oom"
)

// hub hands events to those who listen at the moment. The zero value is ready.
type hub struct {
	mu        sync.Mutex
	listeners map[chan *agentpb.Event]struct{}
	ended     bool
	oom       *oom.Watch
}

// backlog is how many events a listener may be behind; one that is further
// behind is cut off, because it would miss some unawares.
const backlog = 1024

func (h *hub) send(e *agentpb.Event) {
	if e.TimeNs == 0 {
		e.TimeNs = time.Now().UnixNano()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		select {
		case l <- e:
		default:
			delete(h.listeners, l)
			close(l)
		}
	}
}

func (h *hub) listen() chan *agentpb.Event {
	l := make(chan *agentpb.Event, backlog)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = map[chan *agentpb.Event]struct{}{}
	}
	h.listeners[l] = struct{}{}
	return l
}

func (h *hub) over() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

func (h *hub) leave(l chan *agentpb.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
}

// end ends all listeners' calls: the guest ends.
func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		close(l)
	}
	h.listeners, h.ended = nil, true
}

// Events implements the call.
func (s *Server) Events(_ *agentpb.EventsRequest, out agentpb.Agent_EventsServer) error {
	l := s.events.listen()
	defer s.events.leave(l)
	for {
		select {
		case e, ok := <-l:
			if !ok && s.events.over() {
				return call.Errorf(call.Unavailable, "the guest ends")
			}
			if !ok {
				return call.Errorf(call.ResourceExhausted, "more than %d events were not taken in time", backlog)
			}
			if err := out.Send(e); err != nil {
				return err
			}
		case <-out.Context().Done():
			return out.Context().Err()
		}
	}
}

// watchOOM reports the container's OOM kills as they happen.
func (s *Server) watchOOM(c *container.Container) {
	h := &s.events
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.oom == nil {
		w, err := oom.New(s.Log)
		if err != nil {
			s.Log.Warn("OOM kills will not be reported as events", "error", err)
			return
		}
		h.oom = w
	}
	err := h.oom.Add(c.MemoryEvents(), func() {
		for range c.NewOOMs() {
			h.send(&agentpb.Event{Kind: agentpb.Event_OOM, ContainerId: c.ID})
		}
	})
	if err != nil {
		s.Log.Warn("OOM kills will not be reported as events", "container", c.ID, "error", err)
	}
}

// forget ends watchOOM.
func (h *hub) forget(c *container.Container) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.oom != nil {
		h.oom.Remove(c.MemoryEvents())
	}
}
