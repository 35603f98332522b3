// Package boot makes a guest out of a bare kernel: mounts, modules, cgroups,
// the loopback interface. It is used only if the agent is the guest's init:
// under another init all this is done.
package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CgroupRoot is where the guest's cgroup v2 tree is mounted.
const CgroupRoot = "/sys/fs/cgroup"

type mount struct {
	fstype, target string
	flags          uintptr
	data           string
}

const guarded = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// earlyMounts are needed to find the agent's channel; /dev is there already
// (package pid1).
var earlyMounts = []mount{
	{"proc", "/proc", guarded, ""},
	{"sysfs", "/sys", guarded, ""},
}

// lateMounts are needed by the first container.
var lateMounts = []mount{
	// A container's state lies in /run, its init's exec fifo too: small files.
	// Programs never do, so noexec would be right but for guest hooks' scripts.
	{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
	{"tmpfs", "/tmp", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
	{"tmpfs", "/dev/shm", guarded, "mode=1777"},
	{"mqueue", "/dev/mqueue", guarded, ""},
	// favordynmods: moving a process into a group does not wait for a grace
	// period of RCU, at the cost of slower forks on many CPUs (cgroup-v2.rst).
	{"cgroup2", CgroupRoot, guarded, "nsdelegate,favordynmods"},
}

// EarlyMounts mounts what the agent itself cannot do without.
func EarlyMounts() error { return mountAll(earlyMounts) }

// LateMounts mounts what containers need.
func LateMounts() error {
	// A missing mqueue (kernel without it) shows when a container asks for it.
	err := mountAll(lateMounts)
	for link, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if lerr := os.Symlink(target, link); lerr != nil && !errors.Is(lerr, os.ErrExist) {
			err = errors.Join(err, lerr)
		}
	}
	return err
}

func mountAll(mounts []mount) error {
	var errs []error
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			errs = append(errs, err)
			continue
		}
		err := unix.Mount(m.fstype, m.target, m.fstype, m.flags, m.data)
		if less, ok := strings.CutSuffix(m.data, ",favordynmods"); ok && errors.Is(err, unix.EINVAL) {
			// A kernel before 6.0.
			err = unix.Mount(m.fstype, m.target, m.fstype, m.flags, less)
		}
		// EBUSY: the kernel or the image's initrd has mounted it.
		if err != nil && !errors.Is(err, unix.EBUSY) {
			errs = append(errs, fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err))
		}
	}
	return errors.Join(errs...)
}

// ExpediteRCU makes the kernel force grace periods of RCU instead of waiting for
// them. Unmounting, pivot_root and the end of namespaces wait for such: on a
// host with many CPUs forcing disturbs others, in a small guest it is what
// makes a container start fast.
func ExpediteRCU() error { return os.WriteFile("/sys/kernel/rcu_expedited", []byte("1"), 0) }

// SetUpCgroups makes the group that all containers' groups lie in, with every
// controller that the kernel has. The agent stays in the root group.
func SetUpCgroups(parent string) error {
	data, err := os.ReadFile(CgroupRoot + "/cgroup.controllers")
	if err != nil {
		return fmt.Errorf("cgroup v2: %w", err)
	}
	dir := filepath.Join(CgroupRoot, parent)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	words := strings.Fields(string(data))
	if len(words) == 0 {
		return nil
	}
	all := "+" + strings.Join(words, " +")
	for _, group := range []string{CgroupRoot, dir} {
		if err := os.WriteFile(group+"/cgroup.subtree_control", []byte(all), 0); err != nil {
			return fmt.Errorf("enable cgroup controllers %q: %w", all, err)
		}
	}
	return nil
}
