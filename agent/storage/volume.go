package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/uevent"
)

// Stat answers the space of a mounted storage.
func (t *Table) Stat(point string) (*agentpb.StatVolumeReply, error) {
	if _, err := t.Mounted(point); err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(point, &st); err != nil {
		return nil, fmt.Errorf("statfs %s: %w", point, err)
	}
	size := uint64(st.Frsize)
	return &agentpb.StatVolumeReply{
		Capacity: st.Blocks * size, Used: (st.Blocks - st.Bfree) * size, Available: st.Bavail * size,
		Inodes: st.Files, InodesUsed: st.Files - st.Ffree, InodesFree: st.Ffree,
	}, nil
}

// ext4ResizeFS is EXT4_IOC_RESIZE_FS, _IOW('f', 16, __u64) (fs/ext4/ext4.h): it
// grows a mounted file system to a number of blocks.
const ext4ResizeFS = 0x40086610

// onDisk tells whether a storage lies on a disk of the host's.
func onDisk(s *agentpb.Storage) bool { return s.Driver == "blk" || s.Driver == "pmem" }

// Resize grows the file system on a storage to the size of its device, which
// the host has changed: want bytes are waited for, until ctx ends. The kernel
// itself can do that for ext4; XFS and others need a program that the guest
// does not have.
func (t *Table) Resize(ctx context.Context, point string, want uint64) error {
	s, err := t.Mounted(point)
	if err != nil {
		return err
	}
	if !onDisk(s) {
		return fmt.Errorf("resize %s: a %s storage has no size of its own: %w", point, s.Driver, errors.ErrUnsupported)
	}
	if s.Fstype != "ext4" {
		return fmt.Errorf("resize %s: the guest can grow ext4, not %s: %w", point, s.Fstype, errors.ErrUnsupported)
	}
	dir, err := os.Open(point)
	if err != nil {
		return err
	}
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return fmt.Errorf("stat %s: %w", point, err)
	}
	var fsInfo unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &fsInfo); err != nil {
		return fmt.Errorf("statfs %s: %w", point, err)
	}
	var size uint64
	err = uevent.Until(ctx, "block", func() (bool, error) {
		size, err = deviceSize(uint64(st.Dev))
		return size >= want, err
	})
	if err != nil {
		return fmt.Errorf("resize %s: %w", point, err)
	}
	blocks := size / uint64(fsInfo.Bsize)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), ext4ResizeFS, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return fmt.Errorf("resize %s to %d blocks: %w", point, blocks, errno)
	}
	return nil
}

// deviceSize answers a block device's size in bytes; sysfs counts 512-byte
// sectors, whatever the device's own are.
func deviceSize(dev uint64) (uint64, error) {
	file := fmt.Sprintf("/sys/dev/block/%d:%d/size", unix.Major(dev), unix.Minor(dev))
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	sectors, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	return sectors * 512, err
}
