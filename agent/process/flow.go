package process

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// busyAfter is how many bytes a pipe has to have moved until it counts as
	// busy: most processes say less, and a reader takes them.
	busyAfter = 1 << 20
	// busyPipe is the size that a busy pipe gets, in bytes.
	busyPipe = 512 << 10
	// blockSize is what a read has to bring at least to be one of many.
	blockSize = 4 << 10
)

// flow is how much a pipe moves. What costs in the guest, under TCG above all,
// is not the bytes but the switches between the process at the other end and
// us: each empties the caches of translated addresses. With a pipe of the usual
// 64 KiB there is one for each write, or two.
type flow struct {
	total int
	grown bool
	// busy: the last time, there was as much as we asked for.
	busy bool
}

// moved notes n bytes, and whether there might have been more.
func (f *flow) moved(fd, n int, more bool) {
	f.total += n
	f.busy = more && n >= blockSize
	if !f.grown && f.total >= busyAfter {
		f.grown = true
		// A terminal is no pipe, and stays as it is.
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, busyPipe)
	}
}

// yield lets the process at the other end of a pipe go on as long as it may,
// in place of until its first byte wakes us. It returns at once if nothing else
// wants the CPU.
func yield() { unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// pipeInput is the pipe of a standard input.
type pipeInput struct {
	*os.File
	raw  syscall.RawConn
	flow flow
}

func newPipeInput(file *os.File) (*pipeInput, error) {
	raw, err := file.SyscallConn()
	return &pipeInput{File: file, raw: raw}, err
}

// Write implements io.Writer. Each time that the process reads from a full pipe
// it wakes us: so we let it read it empty first.
func (p *pipeInput) Write(data []byte) (total int, err error) {
	for total < len(data) && err == nil {
		yielded := false
		n := 0
		waitErr := p.raw.Write(func(fd uintptr) bool {
			for {
				n, err = unix.Write(int(fd), data[total:])
				switch {
				case errors.Is(err, unix.EINTR):
				case errors.Is(err, unix.EAGAIN) && p.flow.total >= busyAfter && !yielded:
					yielded = true
					yield()
				case errors.Is(err, unix.EAGAIN):
					return false
				default:
					if n > 0 {
						p.flow.moved(int(fd), n, true)
					}
					return true
				}
			}
		})
		if waitErr != nil {
			return total, waitErr
		}
		total += max(n, 0)
	}
	return total, err
}
