package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/kata-go/kata-runtime/virtcontainers/factory"
)

// GuardFactory has another process take back what is left of a template or a
// recording if this process is killed before it has called end.
func (h *Host) GuardFactory() (end func(), err error) { return h.startGuard("factory", "tidy") }

// TidyFactory takes back what processes have left that were killed while they made
// a template or recorded translations. It waits for who is at it.
func (h *Host) TidyFactory(ctx context.Context) error {
	if h.settings == nil || h.settings.Factory == nil {
		return nil
	}
	templates, kept := h.settings.Factory.Folder(), h.settings.Factory.Translations()
	return errors.Join(
		tidy(ctx, templates, func(lock *factory.Locked) error {
			_, err := h.templateHost(ctx, lock)
			return err
		}),
		tidy(ctx, &kept.Folder, func(lock *factory.Locked) error {
			_, err := recorder(ctx, lock.VMDir(), h.settings, h.log)
			return err
		}))
}

// tidy has end end the VM of a folder, and removes what else is left. A process that
// the killed one was just starting can have the folder for a moment longer.
func tidy(ctx context.Context, folder *factory.Folder, end func(*factory.Locked) error) error {
	if _, err := os.Lstat(folder.Path()); errors.Is(err, fs.ErrNotExist) {
		return nil // and no lock is made for nothing
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lock, err := folder.Wait(ctx)
	if errors.Is(err, factory.ErrBusy) {
		return nil // who has it so long has removed that first
	}
	if err != nil {
		return err
	}
	if err := end(lock); err != nil {
		lock.Unlock()
		return err
	}
	return lock.Tidy()
}
