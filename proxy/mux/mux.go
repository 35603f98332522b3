// Package mux carries many connections over the one that a VM's serial port is.
package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// Run carries each connection that listener accepts to the agent at the other
// end of port, until the VM's end of port closes (nil), the guest breaks the
// protocol (an error), or ctx ends (its error). It closes both and all
// connections.
func Run(ctx context.Context, port io.ReadWriteCloser, listener *net.UnixListener, log *slog.Logger) error {
	cause := &firstError{ReadWriteCloser: port}
	session, err := yamux.Client(serial.Coalesce(cause), serial.Config())
	if err != nil {
		return fmt.Errorf("multiplex the agent's port: %w", err)
	}
	defer session.Close()
	// The guest is not to open connections: it would fill our memory with them.
	if err := session.GoAway(); err != nil {
		return fmt.Errorf("multiplex the agent's port: %w", err)
	}

	var carried sync.WaitGroup
	accepting := make(chan error, 1)
	go func() { accepting <- accept(session, listener, &carried, log) }()
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case <-session.CloseChan():
		err = cause.explain()
	case err = <-accepting:
		accepting <- err
		// A session that ends makes it fail, too.
		if session.IsClosed() {
			err = cause.explain()
		}
	}
	listener.Close()
	session.Close()
	<-accepting
	carried.Wait()
	return err
}

// accept carries connections until the listener or the session is closed.
func accept(session *yamux.Session, listener *net.UnixListener, carried *sync.WaitGroup, log *slog.Logger) error {
	for n := 1; ; n++ {
		conn, err := listener.AcceptUnix()
		if starved(err) {
			// The connections that there are must not suffer from that.
			log.Warn("cannot accept a connection now: " + err.Error())
			select {
			case <-session.CloseChan():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		stream, err := session.OpenStream()
		if err != nil {
			conn.Close()
			return fmt.Errorf("open a connection to the agent: %w", err)
		}
		carried.Add(1)
		go func() {
			defer carried.Done()
			log.Debug("connection opened", "number", n)
			carry(conn, stream)
			log.Debug("connection closed", "number", n)
		}()
	}
}

// starved tells whether an accept failed for want of descriptors or memory
// (accept(2)): only time can help.
func starved(err error) bool {
	for _, errno := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// firstError remembers why a connection could not be read any more: yamux
// does not tell.
type firstError struct {
	io.ReadWriteCloser
	mu  sync.Mutex
	err error
}

func (f *firstError) Read(p []byte) (int, error) {
	n, err := f.ReadWriteCloser.Read(p)
	f.note(err)
	return n, err
}

// Write may be the first to learn that the other end was closed.
func (f *firstError) Write(p []byte) (int, error) {
	n, err := f.ReadWriteCloser.Write(p)
	f.note(err)
	return n, err
}

func (f *firstError) note(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// explain answers nil if the VM's end was closed, else what went wrong. The
// session has ended.
func (f *firstError) explain() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case errors.Is(f.err, io.EOF), errors.Is(f.err, errReset), errors.Is(f.err, syscall.EPIPE):
		return nil
	case f.err == nil, errors.Is(f.err, net.ErrClosed):
		// It could still be read: the session ended it.
		return errors.New("the guest broke the multiplexing protocol")
	default:
		return fmt.Errorf("the agent's port: %w", f.err)
	}
}
