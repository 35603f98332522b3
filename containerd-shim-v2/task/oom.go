package task

import (
	"os"
	"path/filepath"
)

// oomKilled marks a container that was killed for want of memory, before its
// end is told. CRI-O takes no events from us, but looks for this file.
func (s *Service) oomKilled(t *task) {
	file, err := os.OpenFile(filepath.Join(t.bundle, "oom"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.Log.Warn("cannot tell of a kill for want of memory", "container", t.id, "error", err)
		return
	}
	file.Close()
}
