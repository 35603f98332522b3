package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// WatchContainer calls oom whenever the guest's kernel has killed a process of
// a container for want of memory, from a goroutine of its own. It returns nil
// when the container has stopped, and an ErrState if it had before.
func (h *Host) WatchContainer(ctx context.Context, id string, oom func()) error {
	_, _, c, err := h.load(id)
	if err != nil {
		return err
	}
	if err := c.status().Check(container.Stats); err != nil {
		return err
	}
	// Left by an earlier container of the same bundle.
	old := oomMarked(c.Bundle)
	told := atomic.Bool{}
	listening, stop := context.WithCancel(ctx)
	var listener sync.WaitGroup
	listener.Go(func() {
		err := h.OOMs(listening, id, func(killed string) bool { return killed == id }, func(string) {
			told.Store(true)
			oom()
		})
		h.log.Debug("no more events of the guest", "id", id, "error", err)
	})
	init := c.Shim
	if c.Service.Alive() {
		init = c.Service // containerd's shim stands for the process
	}
	err = init.Wait(ctx)
	stop()
	listener.Wait()
	// The end of the init process may overtake the event of what ended it.
	if err == nil && !told.Load() && !old && oomMarked(c.Bundle) {
		oom()
	}
	return err
}

// oomMarked tells whether a shim has marked a bundle's container as killed for
// want of memory.
func oomMarked(bundle string) bool {
	_, err := os.Lstat(filepath.Join(bundle, "oom"))
	return err == nil
}
