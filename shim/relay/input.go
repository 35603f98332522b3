package relay

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// input reads a descriptor that others share, so that it must not be made
// non-blocking: it waits by poll(2) beside a pipe that ends the wait.
type input struct {
	file *os.File
	fd   int
	wake *os.File
}

// newInput reads file, which it takes over, until its end or until stop is closed.
func newInput(file *os.File, stop <-chan struct{}) (*input, error) {
	wake, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	in := &input{file: file, fd: descriptor(file), wake: wake}
	go func() {
		<-stop
		w.Close()
	}()
	return in, nil
}

// Read answers io.EOF at the end, when stopped, and when the terminal is gone
// or not ours to read (EIO): none of these will ever give more.
func (in *input) Read(p []byte) (int, error) {
	fds := []unix.PollFd{
		{Fd: int32(in.fd), Events: unix.POLLIN},
		{Fd: int32(descriptor(in.wake)), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, os.NewSyscallError("poll", err)
		}
		if fds[1].Revents != 0 {
			return 0, io.EOF
		}
		n, err := unix.Read(in.fd, p)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			// Someone else may have made it non-blocking, and read it first.
			continue
		case errors.Is(err, unix.EIO):
			return 0, io.EOF
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// close closes the descriptor; nobody may be reading.
func (in *input) close() {
	in.file.Close()
	in.wake.Close()
}

// descriptor answers a file's number. File.Fd would change its mode, which
// others share.
func descriptor(file *os.File) int {
	number := -1
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { number = int(fd) }) // -1 if it is closed
	}
	return number
}
