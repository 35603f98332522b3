package process

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// source reads what a process prints, from a pipe or the master of a terminal.
//
// It ends with the process, not with the last holder of the pipe's other end:
// a child that outlives the process may hold that for ever. What the process
// wrote is in the pipe when it has been reaped, so that much is still read.
type source struct {
	file *os.File
	raw  syscall.RawConn
	// left is how much is still read after the process's end; -1 before it.
	left int
	flow flow
}

// ptyRest bounds what is read from a terminal after its process's end: more
// than a terminal buffers (drivers/tty/tty_buffer.c, TTYB_DEFAULT_MEM_LIMIT).
const ptyRest = 1 << 20

func newSource(file *os.File) (*source, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &source{file: file, raw: raw, left: -1}, nil
}

// ended tells the source that the process has been reaped. A Read that waits
// goes on to the rest.
func (s *source) ended() {
	// A deadline in the past is Go's way to wake a reader.
	s.file.SetReadDeadline(time.Unix(1, 0))
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) { return s.ReadVector([][]byte{p}) }

// ReadVector implements stream.Vectored.
func (s *source) ReadVector(pieces [][]byte) (int, error) {
	if s.left < 0 {
		n, err := s.read(pieces)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, endOfFile(err)
		}
		if err := s.raw.Control(func(fd uintptr) { s.left = rest(int(fd)) }); err != nil {
			return 0, endOfFile(err)
		}
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	p := pieces[0]
	n, err := 0, error(nil)
	cerr := s.raw.Control(func(fd uintptr) {
		for {
			n, err = unix.Read(int(fd), p[:min(len(p), s.left)])
			if !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case cerr != nil:
		return 0, endOfFile(cerr)
	case errors.Is(err, unix.EAGAIN) || err == nil && n == 0:
		return 0, io.EOF
	case err != nil:
		return 0, endOfFile(err)
	}
	s.left -= n
	return n, nil
}

// read reads what there is, and waits for something.
func (s *source) read(pieces [][]byte) (n int, err error) {
	yielded := false
	waitErr := s.raw.Read(func(fd uintptr) bool {
		for {
			n, err = unix.Readv(int(fd), pieces)
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN) && s.flow.busy && !yielded:
				yielded = true
				yield()
			case errors.Is(err, unix.EAGAIN):
				return false
			default:
				if n > 0 {
					s.flow.moved(int(fd), n, n >= len(pieces[0]))
				}
				return true
			}
		}
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// rest answers how many bytes a descriptor holds. A terminal may hold some
// that it has not yet passed on, so there the bound is just a bound; a read
// that would wait means the end (n_tty_read flushes before it says so).
func rest(fd int) int {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		return ptyRest
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil || n < 0 {
		return ptyRest
	}
	return n
}

// drop reads a pipe to its end, when others may still write to it, which the process
// left behind, and closes it: they are daemons whose output nobody takes any more,
// and SIGPIPE would end them.
func (s *source) drop() {
	s.file.SetReadDeadline(time.Time{})
	_, _ = io.Copy(io.Discard, s.file) // its error is an end, too
	s.file.Close()
}

// endOfFile makes one of what ends a stream for good: EIO is a terminal that
// no process has open any more, ErrClosed is Remove.
func endOfFile(err error) error {
	if errors.Is(err, unix.EIO) || errors.Is(err, os.ErrClosed) {
		return io.EOF
	}
	return err
}
