// Package thread runs functions that change properties of their OS thread
// (namespaces, no_new_privs), so that no other goroutine ever runs on a thread
// that was changed.
package thread

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// Run calls f on a locked thread and waits for it. f says whether the thread
// is again as it was; if not (or if f panics), the thread is thrown away.
//
// It is never the process's main thread: that one cannot end, and it is the
// one that /proc/PID/ns shows to others.
func Run(f func() (clean bool, err error)) error {
	done := make(chan error, 1)
	go run(f, done)
	return <-done
}

func run(f func() (bool, error), done chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// While this goroutine holds the main thread, the next one gets another.
		inner := make(chan error, 1)
		go run(f, inner)
		done <- <-inner
		runtime.UnlockOSThread()
		return
	}
	err := errors.New("the function ended its goroutine")
	// A goroutine that ends locked takes its thread along.
	defer func() { done <- err }()
	var clean bool
	if clean, err = f(); clean {
		runtime.UnlockOSThread()
	}
}
