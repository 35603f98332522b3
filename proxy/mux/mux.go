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
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// Run carries each connection that listener accepts to the agent at the other
// end of port, until the VM's end of port closes (nil), the guest breaks the
// protocol (an error), or ctx ends (its error). It closes both and all
// connections.
func Run(ctx context.Context, port io.ReadWriteCloser, listener *net.UnixListener, log *slog.Logger) error {
	session := serial.Client(port)
	defer session.Close()
	var carried sync.WaitGroup
	accepting := make(chan error, 1)
	go func() { accepting <- accept(session, listener, &carried, log) }()
	var err error
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case <-session.Done():
		err = explain(session.Err())
	case err = <-accepting:
		accepting <- err
		// A session that ends makes it fail, too.
		if cause := session.Err(); cause != nil {
			err = explain(cause)
		}
	}
	listener.Close()
	session.Close()
	<-accepting
	carried.Wait()
	return err
}

// accept carries connections until the listener or the session is closed.
func accept(session *serial.Session, listener *net.UnixListener, carried *sync.WaitGroup, log *slog.Logger) error {
	for n := 1; ; n++ {
		conn, err := listener.AcceptUnix()
		if starved(err) {
			// The connections that there are must not suffer from that.
			log.Warn("cannot accept a connection now: " + err.Error())
			select {
			case <-session.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		c, err := open(session, conn)
		if err != nil {
			conn.Close()
			return fmt.Errorf("open a connection to the agent: %w", err)
		}
		carried.Add(1)
		go func() {
			defer carried.Done()
			log.Debug("connection opened", "number", n)
			c.run(session)
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

// explain answers nil if the VM's end was closed, else what went wrong.
func explain(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errReset), errors.Is(err, unix.EPIPE):
		return nil
	case errors.Is(err, serial.ErrProtocol):
		return fmt.Errorf("the guest: %w", err)
	default:
		return fmt.Errorf("the agent's port: %w", err)
	}
}
