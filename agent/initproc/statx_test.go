package initproc

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/cyphar/filepath-securejoin/pathrs-lite/procfs"
	"golang.org/x/sys/unix"
)

// A thread that lost statx to a container's profile can still look into /proc,
// and no other thread has lost it.
func TestWithoutStatx(t *testing.T) {
	if err := withoutStatx(); err != nil {
		t.Fatal(err)
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, "/", 0, unix.STATX_MNT_ID, &st); err != nil {
		t.Fatalf("statx is gone for other threads: %v", err)
	}
	// Here, where statx works, the library would learn that it does.
	if _, err := procfs.ProcSelfFdReadlink(os.Stderr); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			if err := denyOnThread(unix.SYS_STATX, unix.EPERM); err != nil {
				return err
			}
			if err := unix.Statx(unix.AT_FDCWD, "/", 0, 0, &st); !errors.Is(err, unix.EPERM) {
				t.Errorf("statx is not refused: %v", err)
			}
			_, err := procfs.ProcSelfFdReadlink(os.Stderr)
			return err
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
