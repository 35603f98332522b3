package initproc

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/cyphar/filepath-securejoin/pathrs-lite/procfs"
	"golang.org/x/sys/unix"
)

// withoutStatx has the library through which libcontainer opens files in /proc
// take this kernel for one whose statx(2) tells no mount ids, and be content.
//
// It looks once and remembers. If statx is there while the container is made,
// but the container's seccomp profile does not have it (the ones from before
// 2020), then after loading the profile it takes the refusal for an attack, and
// no container with such a profile would start. What it loses is a second
// check: the /proc that it opens is a mount of its own that nobody can mount
// anything on (fsmount(2)), and its descriptor is kept across the profile.
//
// It looks on a thread whose statx is refused, and which ends with that.
func withoutStatx() error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- lookWithoutStatx()
	}()
	return <-done
}

func lookWithoutStatx() error {
	if err := denyOnThread(unix.SYS_STATX, unix.ENOSYS); err != nil {
		return err
	}
	// Any descriptor does: what it points to does not matter.
	if _, err := procfs.ProcSelfFdReadlink(os.Stderr); err != nil {
		return fmt.Errorf("look into /proc: %w", err)
	}
	return nil
}

// denyOnThread makes a system call fail, on the calling thread only and for good.
func denyOnThread(call uint32, errno unix.Errno) error {
	// Offset 0 of struct seccomp_data is the number of the call (seccomp(2)).
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Without privileges in the user namespace a filter needs no_new_privs,
	// which is the thread's own as well.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("seccomp filter: %w", err)
	}
	return nil
}
