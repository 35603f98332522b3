package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A guest whose share or whose way to the host has gone answers no more, and
// nothing in it says so: whoever waits for it looks at these processes, too.

// child is a process of ours that a VM needs.
type child struct {
	done chan struct{}
	err  error // valid once done is closed; nil if it ended as it should
}

// mind waits for a process that was started, as long as we are its parent.
// logFile is where it says why it fails.
func mind(name string, cmd *exec.Cmd, logFile string) *child {
	c := &child{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		if err := cmd.Wait(); err != nil {
			c.err = fmt.Errorf("%s ended: %w%s", name, err, lastMessage(logFile))
		}
	}()
	return c
}

// lastMessage answers what a program of ours logged last, as a suffix for an
// error of one line.
func lastMessage(logFile string) string {
	data, err := os.ReadFile(logFile)
	if err != nil {
		return ""
	}
	text := strings.TrimSpace(string(data))
	text = text[strings.LastIndexByte(text, '\n')+1:]
	if _, quoted, ok := strings.Cut(text, "msg="); ok {
		if prefix, err := strconv.QuotedPrefix(quoted); err == nil {
			text, _ = strconv.Unquote(prefix)
		}
	}
	if text == "" {
		return " without a message"
	}
	return ": " + text
}

// lostHelper says that a process which the VM needs has ended.
type lostHelper struct{ error }

func (e *lostHelper) Unwrap() error { return e.error }

// lost answers why a helper of the VM has ended; nil if all run, or ended as the
// VM did.
func (b *boot) lost() error {
	var err error
	if b.daemon != nil {
		err = b.daemon.Err()
	}
	if b.proxy != nil && err == nil {
		select {
		case <-b.proxy.done:
			err = b.proxy.err
		default:
		}
	}
	if err == nil {
		return nil
	}
	return &lostHelper{err}
}

// mindful answers a context that ends when a helper is lost, which is the cause
// then.
func (b *boot) mindful(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-b.daemonDone():
		case <-b.proxyDone():
		case <-ctx.Done():
		}
		if err := b.lost(); err != nil {
			cancel(err)
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// The channels are closed when the helper has ended; nil without one.
func (b *boot) daemonDone() <-chan struct{} {
	if b.daemon == nil {
		return nil
	}
	return b.daemon.Done()
}

func (b *boot) proxyDone() <-chan struct{} {
	if b.proxy == nil {
		return nil
	}
	return b.proxy.done
}

// lostSoon is lost for somebody who sees what may be a helper's end: that it has
// been waited for comes in the next moment.
func (b *boot) lostSoon() error {
	select {
	case <-b.daemonDone():
	case <-b.proxyDone():
	case <-time.After(time.Second):
	}
	return b.lost()
}

// blame answers the helper's end as the cause of err, if that is what it is: a
// process that is not there any more cannot be put into a cgroup, and nobody
// answers on its socket.
func (b *boot) blame(err error) error {
	var lost *lostHelper
	if errors.As(err, &lost) {
		return err
	}
	cause := b.lost()
	for _, sign := range []error{unix.ESRCH, unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE, io.EOF} {
		if cause == nil && errors.Is(err, sign) {
			cause = b.lostSoon()
		}
	}
	if cause != nil {
		return fmt.Errorf("sandbox %s: %w", b.dir.ID(), cause)
	}
	return err
}
