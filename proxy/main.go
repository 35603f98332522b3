// Command kata-proxy serves one sandbox on the host. Where the VM has no
// vsock, it carries the connections to the agent over the VM's serial port; in
// any case it keeps the guest's console, and the logs of QEMU and virtiofsd
// short, and ends the VM if virtiofsd ends. It ends when the VM does (exit code
// 0), or by SIGTERM or SIGINT (0); on an error with 1.
//
// kata-runtime starts it, in a session of its own, and gives it sockets that
// listen already: QEMU's ends exist before QEMU runs, so nothing waits.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
	"github.com/kata-go/kata-runtime/internal/heap"
	"github.com/kata-go/kata-runtime/internal/inherit"
	"github.com/kata-go/kata-runtime/internal/log"
	"github.com/kata-go/kata-runtime/internal/newroot"
	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/proxy/consolelog"
	"github.com/kata-go/kata-runtime/proxy/mux"
	"github.com/kata-go/kata-runtime/proxy/tied"
	"github.com/kata-go/kata-runtime/proxy/trim"
)

// options are what the command line says.
type options struct {
	sandbox                   string
	agentSocket               string
	listenFD                  int
	consoleSocket, consoleLog string
	logFile, logFormat        string
	debug, resync, ownMounts  bool
	keepShort                 []string
	shareFD, vmFD             int
}

func main() {
	// One copying goroutine per direction is busy at a time; more processors
	// only mean more caches and threads.
	runtime.GOMAXPROCS(2)
	heap.Bound()
	inherit.Nothing()
	os.Exit(run(os.Args[1:], os.Stderr))
}

func run(args []string, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "kata-proxy:", err)
		return 1
	}
	logger, err := o.logger(stderr)
	if err != nil {
		fmt.Fprintln(stderr, "kata-proxy:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch err := serve(ctx, o, logger); {
	case err == nil:
		logger.Info("the VM has ended")
	case errors.Is(err, context.Canceled):
		logger.Info("ended by a signal")
	default:
		logger.Error(err.Error())
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("kata-proxy", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.sandbox, "sandbox", "", "the sandbox's `id`, for the log")
	f.StringVar(&o.agentSocket, "agent-socket", "", "`path` of QEMU's socket behind the agent's serial port (with --listen-fd)")
	f.IntVar(&o.listenFD, "listen-fd", -1, "`descriptor` of the listening socket for the agent's clients")
	f.BoolVar(&o.resync, "resync", false, "the agent's port was in use before: begin a new session on it")
	f.BoolVar(&o.ownMounts, "own-mounts", false, "the process is alone in its mount namespace: leave the host's files when all is open")
	f.StringVar(&o.consoleSocket, "console-socket", "", "`path` of QEMU's socket behind the guest's console")
	f.StringVar(&o.consoleLog, "console-log", "", "`path` of the file that keeps the console's last lines")
	f.Func("keep-short", "`path` of a log that other programs append to and that is not to grow; may be given several times", func(path string) error {
		o.keepShort = append(o.keepShort, path)
		return nil
	})
	f.IntVar(&o.shareFD, "share-fd", -1, "pidfd of virtiofsd, without which the VM cannot go on (with --vm-fd)")
	f.IntVar(&o.vmFD, "vm-fd", -1, "pidfd of the VM")
	f.StringVar(&o.logFile, "log", "", "`path` of the log file; standard error without")
	f.StringVar(&o.logFormat, "log-format", log.Text, "form of the log: text or json")
	f.BoolVar(&o.debug, "debug", false, "log each connection")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case (o.agentSocket == "") != (o.listenFD < 0):
		return nil, errors.New("--agent-socket and --listen-fd belong together")
	case (o.consoleSocket == "") != (o.consoleLog == ""):
		return nil, errors.New("--console-socket and --console-log belong together")
	case (o.shareFD < 0) != (o.vmFD < 0):
		return nil, errors.New("--share-fd and --vm-fd belong together")
	case o.agentSocket == "" && o.consoleSocket == "":
		return nil, errors.New("nothing to do: give --agent-socket or --console-socket")
	}
	return o, nil
}

func (o *options) logger(stderr io.Writer) (*slog.Logger, error) {
	out := stderr
	if o.logFile != "" {
		// It stays open until the process ends.
		file, err := log.Open(o.logFile)
		if err != nil {
			return nil, err
		}
		out = file
	}
	logger, err := log.New(out, o.logFormat, o.debug)
	if err != nil {
		return nil, err
	}
	return logger.With("program", "kata-proxy", "sandbox", o.sandbox), nil
}

// connectTimeout is for sockets that listen already: only a host that is
// brought to its knees takes longer.
const connectTimeout = 10 * time.Second

// consoleGrace is how long the console may outlive the agent's port when the
// VM ends: QEMU closes both in one go.
const consoleGrace = 2 * time.Second

// serve returns nil when the VM has ended.
func serve(ctx context.Context, o *options, logger *slog.Logger) error {
	if len(o.keepShort) > 0 {
		// A sandbox runs all the same.
		if logs, err := trim.Keep(logger, o.keepShort...); err != nil {
			logger.Warn(err.Error())
		} else {
			defer logs.Close()
		}
	}
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	// All is opened first: behind it there are no paths any more.
	carry, err := o.agent(connecting, logger)
	if err != nil {
		return err
	}
	console, err := o.console(connecting, logger)
	if err != nil {
		return err
	}
	if o.shareFD >= 0 {
		daemon, err := tied.Open(o.shareFD)
		if err != nil {
			return fmt.Errorf("--share-fd: %w", err)
		}
		vm, err := tied.Open(o.vmFD)
		if err != nil {
			return fmt.Errorf("--vm-fd: %w", err)
		}
		go tied.Processes(logger, daemon, vm)
	}
	if o.ownMounts {
		// What a guest sends is read without the host's files in reach, and an
		// engine that takes this process for the container's looks at nothing.
		if err := newroot.Leave(); err != nil {
			return fmt.Errorf("leave the host's files: %w", err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- console() }()
	if carry == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-done:
			return err
		}
	}
	if err = carry(ctx); err == nil {
		select {
		case <-done:
		case <-time.After(consoleGrace):
		}
	}
	return err
}

// agent opens what the agent's clients are carried by, if there is no vsock.
func (o *options) agent(ctx context.Context, logger *slog.Logger) (carry func(context.Context) error, err error) {
	if o.agentSocket == "" {
		return nil, nil
	}
	listener, err := inherited(o.listenFD)
	if err != nil {
		return nil, fmt.Errorf("--listen-fd %d: %w", o.listenFD, err)
	}
	port, err := sock.Dial(ctx, o.agentSocket)
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("agent's port: %w", err)
	}
	var carrier io.ReadWriteCloser = port
	if o.resync {
		carrier = serial.Resync(port)
	}
	return func(ctx context.Context) error {
		defer listener.Close()
		return mux.Run(ctx, carrier, listener, logger)
	}, nil
}

// console opens the guest's console and its log; keep writes the one into the
// other until the VM has ended.
func (o *options) console(ctx context.Context, logger *slog.Logger) (keepIt func() error, err error) {
	if o.consoleSocket == "" {
		return func() error { return nil }, nil
	}
	conn, err := sock.Dial(ctx, o.consoleSocket)
	if err != nil {
		return nil, fmt.Errorf("guest console: %w", err)
	}
	file, err := consolelog.Open(o.consoleLog)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return func() error {
		defer conn.Close()
		defer file.Close()
		return keep(conn, file, logger)
	}, nil
}

// inherited answers the listener that another process gave us as an open file.
// Its socket file is not ours to remove.
func inherited(fd int) (*net.UnixListener, error) {
	file := os.NewFile(uintptr(fd), "listener")
	if file == nil {
		return nil, errors.New("not a descriptor")
	}
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	listener, ok := l.(*net.UnixListener)
	if !ok {
		l.Close()
		return nil, errors.New("not a unix socket")
	}
	listener.SetUnlinkOnClose(false)
	return listener, nil
}

// keep writes the console to the log until the VM closes it. A log that cannot
// be written does not stop the guest's output: it is read and lost.
func keep(console net.Conn, file *consolelog.Log, logger *slog.Logger) error {
	buffer := make([]byte, 4<<10)
	failed := false
	for {
		n, err := console.Read(buffer)
		if n > 0 {
			if _, err := file.Write(buffer[:n]); err != nil && !failed {
				failed = true
				logger.Warn("part of the guest's console is lost: " + err.Error())
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("guest console: %w", err)
		}
	}
}
