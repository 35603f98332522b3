package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// ServeSerial serves connections over the virtio-serial port of a name, one
// yamux session after the other: when the host's end goes away (kata-proxy was
// killed) all else goes on, and the next to connect there gets a new session.
// It returns when ctx ends or the port cannot be used at all.
//
// The port is opened once: to open it anew would drop what the next proxy may
// have sent already.
func ServeSerial(ctx context.Context, log *slog.Logger, name string, serve func(net.Listener) error) error {
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
		if err := serveSession(log, file, port, serve); err != nil {
			return fmt.Errorf("serial port %s: %w", dev, err)
		}
	}
	return ctx.Err()
}

func serveSession(log *slog.Logger, file *os.File, port *serial.Port, serve func(net.Listener) error) error {
	if err := waitHost(file); err != nil {
		return err
	}
	conn, err := port.Session(func() { file.SetDeadline(time.Unix(1, 0)) })
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // it has gone again in the middle of its first words
	}
	if err != nil {
		return err
	}
	session, err := yamux.Server(serial.Coalesce(conn), serial.Config())
	if err != nil {
		return err
	}
	log.Debug("the host has connected")
	// The end of a session is the host's business, not an error of ours.
	cause := serve(session)
	log.Debug("the host's connection has ended", "cause", cause)
	// Close returns when nothing of the session uses the port any more.
	session.Close()
	return file.SetDeadline(time.Time{})
}
