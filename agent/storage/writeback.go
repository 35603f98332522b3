package storage

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// WriteBack writes the file systems on disks back, for whoever ends the guest; the
// processes of its containers have ended.
//
// Not by sync(2): of a shared folder nothing is left to write once nobody has a file
// of it open or mapped, but the kernel asks for a flush all the same (FUSE_SYNCFS),
// and virtiofsd does that to the whole of the host's file system. It would take as
// long as whatever else has written to that makes it.
func WriteBack() error {
	// Most guests have none, and their end need not wait for a table to be read.
	if disks, err := os.ReadDir("/sys/block"); err == nil && len(disks) == 0 {
		return nil
	}
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(m.Source, "/dev/"), false
	})
	if err != nil {
		return err
	}
	var errs []error
	seen := map[[2]int]bool{}
	for _, m := range mounts {
		device := [2]int{m.Major, m.Minor}
		if seen[device] {
			continue
		}
		// Of a mounted file or node nothing may come by its being opened.
		dir, err := os.OpenFile(m.Mountpoint, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err == nil {
			seen[device] = true
			err = unix.Syncfs(int(dir.Fd()))
			dir.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("write back %s: %w", m.Mountpoint, err))
		}
	}
	return errors.Join(errs...)
}
