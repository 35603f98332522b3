package channel

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/hashicorp/yamux"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// ServeSerial serves connections over the virtio-serial port of a name, one
// yamux session after the other: when the host's end goes away (kata-proxy was
// killed) all else goes on, and the next to connect there gets a new session.
// It returns when ctx ends or the port cannot be used at all.
func ServeSerial(ctx context.Context, log *slog.Logger, name string, serve func(net.Listener) error) error {
	dev, err := findPort(ctx, name)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		port, err := openPort(dev)
		if err != nil {
			return err
		}
		if err := serveSession(ctx, log, port, serve); err != nil {
			return fmt.Errorf("serial port %s: %w", dev, err)
		}
	}
	return ctx.Err()
}

func serveSession(ctx context.Context, log *slog.Logger, port *os.File, serve func(net.Listener) error) error {
	defer port.Close()
	stop := context.AfterFunc(ctx, func() { port.Close() })
	defer stop()
	if err := waitHost(port); err != nil {
		return err
	}
	session, err := yamux.Server(wire.Coalesce(port), wire.Yamux())
	if err != nil {
		return err
	}
	defer session.Close()
	log.Debug("the host has connected")
	// The end of a session is the host's business, not an error of ours.
	if err := serve(session); err != nil {
		log.Debug("the host's connection has ended", "cause", err)
	}
	return nil
}
