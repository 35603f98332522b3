package main

import (
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// lastSyscall is x86-64's last of Linux 6.1, set_mempolicy_home_node
// (arch/x86/entry/syscalls/syscall_64.tbl): what is newer no guest has.
const lastSyscall = 450

// spared are the calls that end, double, or stop the process, whatever they are
// given.
var spared = []uintptr{
	unix.SYS_RT_SIGRETURN, unix.SYS_PAUSE, unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_VHANGUP,
}

// syscalls makes each call with arguments that none takes, and prints whether the
// kernel knows it.
func syscalls() {
	runtime.LockOSThread()
	for nr := uintptr(0); nr <= lastSyscall; nr++ {
		if nr > unix.SYS_RSEQ && nr < unix.SYS_PIDFD_SEND_SIGNAL || slices.Contains(spared, nr) {
			continue // the table has a gap
		}
		const all = ^uintptr(0)
		_, _, errno := unix.RawSyscall6(nr, all, all, all, all, all, all)
		known := works
		if errno == unix.ENOSYS {
			known = unix.ErrnoName(errno)
		}
		fmt.Printf("syscall %d: %s\n", nr, known)
	}
}
