package hypervisor

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// hugePage is the alignment at which memory can be mapped by huge pages, on
// both architectures with the host's usual page size of 4 KiB.
const hugePage = 2 << 20

// transparentHugePages is the administrator's word on huge pages that nobody
// has reserved; QEMU asks for them by madvise(2) for memory of its own.
const transparentHugePages = "/sys/kernel/mm/transparent_hugepage/enabled"

// errNoHugePages: the administrator has switched them off.
var errNoHugePages = errors.New("transparent huge pages are switched off")

// sharedMemory makes an empty file for a guest's memory of size bytes that
// other processes can map, and that lies in huge pages as far as the host has
// some. A memfd does not: those of the kernel's own tmpfs are governed by
// shmem_enabled, "never" by default. With small pages each first touch of 4 KiB
// is a fault, and translations are missed more often: a boot under TCG took a
// fifth more CPU time.
//
// The file is in a tmpfs of its own that is mounted nowhere; both end with the
// last descriptor and the last mapping.
func sharedMemory(size int64) (*os.File, error) {
	policy, err := os.ReadFile(transparentHugePages)
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(policy), "[never]") {
		return nil, errNoHugePages
	}
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen tmpfs: %w", err)
	}
	defer unix.Close(fs)
	// Whole huge pages, and one to spare: a write beyond the limit would be
	// QEMU's end by SIGBUS.
	limit := (size/hugePage + 2) * hugePage
	for _, option := range [][2]string{{"huge", "within_size"}, {"size", fmt.Sprint(limit)}, {"mode", "0700"}} {
		if err := unix.FsconfigSetString(fs, option[0], option[1]); err != nil {
			return nil, fmt.Errorf("tmpfs with %s=%s: %w", option[0], option[1], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("make a tmpfs: %w", err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsmount tmpfs: %w", err)
	}
	defer unix.Close(mount)
	fd, err := unix.Openat(mount, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a file in a tmpfs: %w", err)
	}
	file := os.NewFile(uintptr(fd), "guest memory")
	if err := file.Truncate(size); err != nil {
		file.Close()
		return nil, fmt.Errorf("%d bytes of memory: %w", size, err)
	}
	return file, nil
}
