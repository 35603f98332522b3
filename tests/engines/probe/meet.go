package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// patience is how long the other's answer may take; poll is how often it is
// looked for: nobody tells that memory has changed.
const (
	patience = 10 * time.Second
	poll     = 5 * time.Millisecond
)

// board is what two processes write to each other: a question, and its answer.
type board struct {
	asked, answered *atomic.Uint32
}

func openBoard(path string) (*os.File, board, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, board{}, err
	}
	if err := f.Truncate(4096); err != nil {
		return nil, board{}, err
	}
	m, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, board{}, fmt.Errorf("mmap: %w", err)
	}
	word := func(at int) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&m[at])) }
	return f, board{word(0), word(4)}, nil
}

func hold(path string) error {
	f, b, err := openBoard(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("flock: %w", err)
	}
	second, err := secondFile(path)
	if err != nil {
		return err
	}
	defer second.Close()
	if err := setLock(second, unix.F_SETLK, unix.F_WRLCK, 0, 0); err != nil {
		return fmt.Errorf("fcntl: %w", err)
	}
	fmt.Println("ready")
	for {
		b.answered.Store(b.asked.Load())
		time.Sleep(poll)
	}
}

func meet(path string) error {
	f, b, err := openBoard(path)
	if err != nil {
		return err
	}
	defer f.Close()
	second, err := secondFile(path)
	if err != nil {
		return err
	}
	defer second.Close()
	byFlock := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	byFcntl := setLock(second, unix.F_SETLK, unix.F_WRLCK, 0, 0)
	switch {
	case byFlock == nil && byFcntl == nil:
		fmt.Println("free")
	case errors.Is(byFlock, syscall.EWOULDBLOCK) && refused(byFcntl):
		fmt.Println("held")
	default:
		return fmt.Errorf("flock: %v; fcntl: %v", byFlock, byFcntl)
	}
	question := b.answered.Load() + 1
	b.asked.Store(question)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(poll) {
		if b.answered.Load() == question {
			fmt.Println("shared")
			return nil
		}
	}
	fmt.Println("apart")
	return nil
}

// secondFile is for the lock by fcntl: by 9p, a file's locks of both kinds
// exclude each other.
func secondFile(board string) (*os.File, error) {
	return os.OpenFile(board+".fcntl", os.O_RDWR|os.O_CREATE, 0o644)
}
