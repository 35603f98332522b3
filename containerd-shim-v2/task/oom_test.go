package task

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/api/types"
)

// containerd hears of each kill once, and of the container's own before its end.
func TestOOMIsToldBeforeTheEnd(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for name, c := range map[string]struct {
		news string // h: the guest's event, k: the container was killed
		want string // how many events there are after each
	}{
		"the guest's event is late":   {"kh", "11"},
		"it comes in time":            {"hk", "11"},
		"another process before it":   {"hhk", "122"},
		"late, of a container's exec": {"khh", "112"},
	} {
		s := &Service{Config: Config{Log: log, Events: &Events{queue: make(chan *types.Envelope, 10), log: log}}}
		k := &task{id: "c", bundle: t.TempDir()}
		for i, what := range c.news {
			if what == 'h' {
				s.oomHeard(k)
			} else {
				s.oomKilled(k)
			}
			if n := len(s.Events.queue); n != int(c.want[i]-'0') {
				t.Errorf("%s: %d events after %q, want %c", name, n, c.news[:i+1], c.want[i])
			}
		}
		if _, err := os.Stat(filepath.Join(k.bundle, "oom")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
