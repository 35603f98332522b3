package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// opened is a probe of a call that answers a descriptor.
func opened(name string, open func() (int, error)) probe {
	return probe{name, func() error {
		fd, err := open()
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}}
}

// raw is a probe of a call that has no wrapper and answers a descriptor.
func raw(name string, nr uintptr, args ...uintptr) probe {
	return opened(name, func() (int, error) {
		var a [6]uintptr
		copy(a[:], args)
		fd, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno != 0 {
			return -1, errno
		}
		return int(fd), nil
	})
}

// descriptors are the things that a process holds by one.
func descriptors() []probe {
	list := []probe{
		opened("epoll", func() (int, error) { return unix.EpollCreate1(0) }),
		opened("eventfd", func() (int, error) { return unix.Eventfd(0, unix.EFD_SEMAPHORE) }),
		opened("inotify", func() (int, error) { return unix.InotifyInit1(0) }),
		opened("fanotify notify", func() (int, error) { return unix.FanotifyInit(unix.FAN_CLASS_NOTIF, 0) }),
		opened("fanotify content", func() (int, error) { return unix.FanotifyInit(unix.FAN_CLASS_CONTENT, 0) }),
		opened("memfd", func() (int, error) { return unix.MemfdCreate("probe", unix.MFD_ALLOW_SEALING) }),
		opened("memfd huge pages", func() (int, error) { return unix.MemfdCreate("probe", unix.MFD_HUGETLB) }),
		raw("memfd_secret", unix.SYS_MEMFD_SECRET),
		raw("userfaultfd", unix.SYS_USERFAULTFD, unix.O_CLOEXEC),
		raw("userfaultfd of user mode", unix.SYS_USERFAULTFD, unix.O_CLOEXEC|1),
		opened("signalfd", func() (int, error) { return unix.Signalfd(-1, new(unix.Sigset_t), unix.SFD_CLOEXEC) }),
		opened("pidfd", func() (int, error) { return unix.PidfdOpen(os.Getpid(), 0) }),
		opened("perf event", func() (int, error) {
			attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK}
			attr.Size = uint32(unsafe.Sizeof(attr))
			return unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		}),
		{"io_uring", func() error {
			var params [120]byte // struct io_uring_params
			fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
			if errno != 0 {
				return errno
			}
			return unix.Close(int(fd))
		}},
		{"aio", func() error {
			var context uintptr
			if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 8, uintptr(unsafe.Pointer(&context)), 0); errno != 0 {
				return errno
			}
			_, _, errno := unix.Syscall(unix.SYS_IO_DESTROY, context, 0, 0)
			return status(errno)
		}},
		{"O_TMPFILE", func() error {
			fd, err := unix.Open("/tmp", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}},
		{"lease", func() error {
			f, err := os.Create(filepath.Join(os.TempDir(), "leased"))
			if err != nil {
				return err
			}
			defer os.Remove(f.Name())
			defer f.Close()
			_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
			return err
		}},
	}
	for name, maptype := range map[string]uintptr{"hash": 1, "array": 2, "ringbuf": 27, "lru": 9} {
		list = append(list, probe{"bpf map " + name, func() error { return bpfMap(maptype) }})
	}
	for name, clock := range clockIDs {
		list = append(list, opened("timerfd "+name, func() (int, error) { return unix.TimerfdCreate(clock, unix.TFD_CLOEXEC) }))
	}
	return list
}

func status(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// bpfMap makes a map of that type (enum bpf_map_type, include/uapi/linux/bpf.h).
func bpfMap(maptype uintptr) error {
	attr := [16]uint32{uint32(maptype), 4, 4, 4}
	if maptype == 27 { // a ring buffer has neither keys nor values, and whole pages
		attr = [16]uint32{uint32(maptype), 0, 0, uint32(os.Getpagesize())}
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

// namespaces and what restricts a process.
func namespaces() []probe {
	var list []probe
	for name, flag := range map[string]int{
		"mount": unix.CLONE_NEWNS, "uts": unix.CLONE_NEWUTS, "ipc": unix.CLONE_NEWIPC, "network": unix.CLONE_NEWNET,
		"cgroup": unix.CLONE_NEWCGROUP, "pid": unix.CLONE_NEWPID, "time": unix.CLONE_NEWTIME,
	} {
		list = append(list, probe{"namespace " + name, onThread(func() error { return unix.Unshare(flag) })})
	}
	list = append(list,
		raw("landlock", unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1),
		probe{"keyring", func() error {
			_, err := unix.AddKey("user", "probe", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
			return err
		}},
		probe{"keyring, big", func() error {
			_, err := unix.AddKey("big_key", "probe", make([]byte, 4096), unix.KEY_SPEC_PROCESS_KEYRING)
			return err
		}},
		probe{"kcmp", func() error {
			pid := uintptr(os.Getpid())
			_, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, 0, 1, 1, 0) // KCMP_FILE
			return status(errno)
		}})
	for name, action := range map[string]uint32{
		"log": unix.SECCOMP_RET_LOG, "trap": unix.SECCOMP_RET_TRAP, "notify": unix.SECCOMP_RET_USER_NOTIF, "kill process": unix.SECCOMP_RET_KILL_PROCESS,
	} {
		list = append(list, probe{"seccomp " + name, func() error {
			_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
			return status(errno)
		}})
	}
	return list
}

// onThread has f change a thread that nobody uses after it.
func onThread(f func() error) func() error {
	return func() error {
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			done <- f()
		}()
		return <-done
	}
}

func memory() []probe {
	var list []probe
	size := 4 << 20
	for name, advice := range map[string]int{
		"huge pages": unix.MADV_HUGEPAGE, "mergeable": unix.MADV_MERGEABLE, "free": unix.MADV_FREE, "wipe on fork": unix.MADV_WIPEONFORK,
		"cold": unix.MADV_COLD, "page out": unix.MADV_PAGEOUT, "populate": unix.MADV_POPULATE_WRITE, "collapse": unix.MADV_COLLAPSE, "no dump": unix.MADV_DONTDUMP,
	} {
		list = append(list, probe{"madvise " + name, func() error {
			pages, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
			if err != nil {
				return err
			}
			defer unix.Munmap(pages)
			return unix.Madvise(pages, advice)
		}})
	}
	call := func(name string, nr uintptr, args ...uintptr) {
		list = append(list, probe{name, func() error {
			var a [6]uintptr
			copy(a[:], args)
			_, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
			return status(errno)
		}})
	}
	call("mlockall", unix.SYS_MLOCKALL, unix.MCL_ONFAULT|unix.MCL_FUTURE)
	call("munlockall", unix.SYS_MUNLOCKALL)
	call("membarrier", unix.SYS_MEMBARRIER, 0)
	call("membarrier, private", unix.SYS_MEMBARRIER, 16) // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
	call("set_mempolicy", unix.SYS_SET_MEMPOLICY)
	call("pkey_alloc", unix.SYS_PKEY_ALLOC)
	return list
}

var clockIDs = map[string]int{
	"realtime": unix.CLOCK_REALTIME, "monotonic": unix.CLOCK_MONOTONIC, "boot time": unix.CLOCK_BOOTTIME,
	"realtime alarm": unix.CLOCK_REALTIME_ALARM, "boot time alarm": unix.CLOCK_BOOTTIME_ALARM,
}

func clocks() []probe {
	var list []probe
	for id := range int32(12) {
		list = append(list, probe{fmt.Sprintf("clock %d", id), func() error { return unix.ClockGettime(id, new(unix.Timespec)) }})
	}
	return list
}

func processes() []probe {
	var list []probe
	for _, p := range []struct {
		name   string
		option int
		arg    uintptr
	}{
		{"subreaper", unix.PR_SET_CHILD_SUBREAPER, 1}, {"timer slack", unix.PR_SET_TIMERSLACK, 50000}, {"no THP", unix.PR_SET_THP_DISABLE, 0},
		{"keep caps", unix.PR_SET_KEEPCAPS, 0}, {"dumpable", unix.PR_SET_DUMPABLE, 1}, {"memory merge", unix.PR_SET_MEMORY_MERGE, 0},
		{"ptracer", unix.PR_SET_PTRACER, ^uintptr(0)}, {"io flusher", unix.PR_SET_IO_FLUSHER, 0}, {"core scheduling", unix.PR_SCHED_CORE, 0},
	} {
		list = append(list, probe{"prctl " + p.name, onThread(func() error { return unix.Prctl(p.option, p.arg, 0, 0, 0) })})
	}
	for name, policy := range map[string]uint32{"other": 0, "fifo": 1, "round robin": 2, "batch": 3, "idle": 5, "deadline": 6} {
		list = append(list, probe{"scheduler " + name, onThread(func() error {
			attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy}
			switch name {
			case "fifo", "round robin":
				attr.Priority = 1
			case "deadline":
				attr.Runtime, attr.Deadline, attr.Period = 1e6, 1e7, 1e7
			}
			return unix.SchedSetAttr(0, &attr, 0)
		})})
	}
	for _, value := range []int{-10, 10} {
		list = append(list, probe{fmt.Sprintf("nice %d", value), onThread(func() error {
			return unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), value)
		})})
	}
	return append(list, probe{"io priority", onThread(func() error {
		_, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, 1, 0, 3<<13) // IOPRIO_WHO_PROCESS, the class idle
		return status(errno)
	})})
}
