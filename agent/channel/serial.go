package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// Serial makes connections out of a virtio-serial port.
type Serial struct {
	log     *slog.Logger
	current atomic.Pointer[serial.Session]
}

// NewSerial makes one that is not served yet.
func NewSerial(log *slog.Logger) *Serial { return &Serial{log: log} }

// Flush returns when the host has all that was written to connections, or ctx
// ends. A guest that ends at once takes along what the device has not got to.
func (s *Serial) Flush(ctx context.Context) error {
	session := s.current.Load()
	if session == nil {
		return nil
	}
	return session.Ping(ctx)
}

// Serve serves connections over the port of a name, one session after
// the other: when the host's end goes away (kata-proxy was killed) all else
// goes on, and the next to connect there gets a new session. It returns when
// ctx ends or the port cannot be used at all.
//
// The port is opened once: to open it anew would drop what the next proxy may
// have sent already.
func (s *Serial) Serve(ctx context.Context, name string, serve func(net.Listener) error) error {
	dev, err := findPort(ctx, name)
	if err != nil {
		return err
	}
	file, err := openPort(dev)
	if err != nil {
		return err
	}
	defer file.Close()
	stop := context.AfterFunc(ctx, func() { file.Close() })
	defer stop()
	port := serial.NewPort(file)
	for ctx.Err() == nil {
		if err := s.session(file, port, serve); err != nil {
			return fmt.Errorf("serial port %s: %w", dev, err)
		}
	}
	return ctx.Err()
}

func (s *Serial) session(file *os.File, port *serial.Port, serve func(net.Listener) error) error {
	if err := waitHost(file); err != nil {
		return err
	}
	session, err := port.Session(func() { file.SetDeadline(time.Unix(1, 0)) })
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // it has gone again in the middle of its first words
	}
	if err != nil {
		return err
	}
	s.current.Store(session)
	defer s.current.Store(nil)
	s.log.Debug("the host has connected")
	// The end of a session is the host's business, not an error of ours.
	cause := serve(session)
	s.log.Debug("the host's connection has ended", "cause", cause)
	// Close returns when nothing of the session uses the port any more.
	session.Close()
	return file.SetDeadline(time.Time{})
}
