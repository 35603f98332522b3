package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v2"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/containerd-shim-v2/task"
	"github.com/kata-go/kata-runtime/internal/log"
)

// listenFD is the socket that spawn hands over.
const listenFD = 3

// goodbyeTimeout is how long the last answers and events may take.
const goodbyeTimeout = 5 * time.Second

// serve is the service: until containerd shuts it down.
func serve(o *options) error {
	// containerd's end ends none of its containers. They are taken and not looked at,
	// rather than ignored, which hooks and loggers would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
	logger, err := openLog(o)
	if err != nil {
		return err
	}
	file := os.NewFile(listenFD, "socket")
	listener, err := net.FileListener(file)
	file.Close()
	if err != nil {
		return fmt.Errorf("descriptor %d: %w: %s start makes a service, nobody else", listenFD, err, name)
	}
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	ctx, shutdown := context.WithCancel(context.Background())
	defer shutdown()
	events := task.NewEvents(o.events, o.namespace, logger)
	service := task.New(task.Config{
		Root: o.root(), ConfigFile: os.Getenv("KATA_CONF_FILE"), Events: events, Log: logger, Version: version, Shutdown: shutdown,
	})
	taskapi.RegisterTaskService(server, service)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ctx, listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	return errors.Join(err, os.Remove(o.socket), server.Shutdown(last), events.Close(last))
}

// openLog writes to the pipe "log" in the bundle, which containerd reads and
// puts into its own log.
func openLog(o *options) (*slog.Logger, error) {
	// For reading, too: so that it does not break when containerd is restarted.
	fd, err := unix.Open(filepath.Join(o.bundle, "log"), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return slog.New(slog.DiscardHandler), nil // an engine that wants no log
	}
	logger, err := log.New(pipe(fd), log.Text, o.debug)
	if err != nil {
		return nil, err
	}
	return logger.With("program", name), nil
}

// pipe is written without ever waiting for its reader: what it has no room for
// is lost.
type pipe int

func (p pipe) Write(data []byte) (int, error) {
	if _, err := unix.Write(int(p), data); err != nil && !errors.Is(err, unix.EAGAIN) {
		return 0, err
	}
	return len(data), nil
}
