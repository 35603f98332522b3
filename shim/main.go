// Command kata-shim stands in on the host for one process in a guest: engines
// wait for it, send it signals and hold its standard streams. It ends with the
// process's exit code (128 + n after signal n), with 255 if that cannot be
// known because the VM has died, and with 1 if it was never told to begin.
//
// kata-runtime starts it before the process exists, with a descriptor on which
// a byte says that it does now; the end of that descriptor without a byte says
// that it never will, or that who started it has died: a further process of
// a container that may run by then is ended.
//
// It is other helpers, too, which stand for no process: in the sandbox's network
// namespace (--names, --changes-fd), and as the guard of a creation (--guard).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/internal/heap"
	"github.com/kata-go/kata-runtime/internal/inherit"
	"github.com/kata-go/kata-runtime/internal/log"
	"github.com/kata-go/kata-runtime/shim/clock"
	"github.com/kata-go/kata-runtime/shim/relay"
	"github.com/kata-go/kata-runtime/shim/title"
)

// notStarted is the exit code of a shim whose process never came to exist.
const notStarted = 1

// options are what the command line says.
type options struct {
	agent, container, exec string
	terminal               bool
	startFD                int
	title                  string
	logFile, logFormat     string
	debug                  bool
	names, stage           string
	changesFD, vmFD        int
	livesFD                int
	ownLinks               string
	command                []string
	forward, guard, clock  bool
	oomDirs                []string
}

func main() {
	// Two streams may be busy at a time; more processors only mean more caches
	// and threads in a process of which there are many.
	runtime.GOMAXPROCS(2)
	heap.Bound()
	inherit.Nothing()
	// Before all else, so that no signal is lost.
	signals := relay.Catch()
	args := title.Take()
	os.Exit(run(args[1:], signals))
}

func run(args []string, signals <-chan os.Signal) int {
	o, err := parse(args, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kata-shim:", err)
		return notStarted
	}
	logger, err := o.logger()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kata-shim:", err)
		return notStarted
	}
	if o.title != "" {
		if err := title.Set(o.title); err != nil {
			logger.Warn(err.Error())
		}
	}
	if o.guard {
		return o.watch(logger)
	}
	// At once: what is typed before the process starts is not to be echoed twice.
	terminal, held, err := o.hold()
	if err != nil {
		logger.Error(err.Error())
		return relay.Lost
	}
	if held != nil {
		defer held.Restore()
	}
	if o.helps() {
		return o.help(logger)
	}
	if o.startFD >= 0 && !told(o.startFD) {
		o.disown(logger)
		return notStarted
	}
	if held != nil {
		if err := held.Raw(); err != nil {
			logger.Error(err.Error())
			return relay.Lost
		}
	}
	forwarder := o.listen(logger)
	oomKilled := o.oomKilled(logger)
	// Only now the guest has made the places where volumes lie.
	agent, err := o.enterStage()
	if err != nil {
		logger.Error(err.Error())
		return relay.Lost
	}
	if forwarder != nil {
		go forwarder.Run(context.Background(), agent, logger)
	}
	if o.clock {
		go clock.Keep(context.Background(), agent, clock.Interval, logger)
	}
	r := &relay.Relay{
		Agent: agent, Container: o.container, Exec: o.exec, Terminal: o.terminal, Console: terminal,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals, Log: logger,
		OOMKilled: oomKilled,
	}
	code, err := r.Run(context.Background())
	if err != nil {
		logger.Error(err.Error())
	}
	o.outlive()
	return code
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("kata-shim", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.agent, "agent", "", "the agent's `address`: unix:///PATH or vsock://CID:PORT")
	f.StringVar(&o.container, "container", "", "the container's `id`")
	f.StringVar(&o.exec, "exec", "", "the process's `id`; the container's init without")
	f.BoolVar(&o.terminal, "terminal", false, "the process has a terminal, and so have we")
	f.IntVar(&o.startFD, "start-fd", -1, "`descriptor` on which a byte says that the process exists; at once without")
	f.StringVar(&o.title, "title", "", "`command line` that ps shows for this process")
	f.StringVar(&o.logFile, "log", "", "`path` of the log file; no log without: standard error is the process's")
	f.StringVar(&o.logFormat, "log-format", log.Text, "form of the log: text or json")
	f.BoolVar(&o.debug, "debug", false, "log what is relayed, never its content")
	f.StringVar(&o.stage, "stage", "", "`JSON`: what the container sees of the host's files, and this process then, too")
	f.Func("oom-dir", "a `folder` that gets a file \"oom\" if the container was killed for want of memory; can be repeated", func(dir string) error {
		o.oomDirs = append(o.oomDirs, dir)
		return nil
	})
	f.BoolVar(&o.forward, "forward", false, "bring connections to loopback addresses of this network namespace to the guest")
	f.BoolVar(&o.clock, "clock", false, "keep the guest's clock by the host's")
	f.StringVar(&o.names, "names", "", "instead of a process: lend the guest these name `servers` of this network namespace, with commas; a byte goes to --start-fd when it listens")
	f.IntVar(&o.changesFD, "changes-fd", -1, "instead of a process: a rtnetlink `socket`; the arguments are a command for each change that it tells of this network namespace")
	f.IntVar(&o.vmFD, "vm-fd", -1, "pidfd of the VM, with which --changes-fd ends")
	f.IntVar(&o.livesFD, "lives-fd", -1, "`descriptor` of a file that the shims of the container's other processes hold locked: we end after them")
	f.BoolVar(&o.guard, "guard", false, "instead of a process: the arguments are a command for when --start-fd ends without a byte")
	f.StringVar(&o.ownLinks, "own-links", "", "`beginning` of the names of links that --changes-fd leaves out")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.command = f.Args()
	if o.guard {
		if o.startFD < 0 || len(o.command) == 0 {
			return nil, errors.New("--guard needs --start-fd and a command")
		}
		return o, nil
	}
	if o.changesFD < 0 && len(o.command) > 0 {
		return nil, fmt.Errorf("unexpected argument %q", o.command[0])
	}
	if o.changesFD >= 0 && (len(o.command) == 0 || o.vmFD < 0 || o.ownLinks == "") {
		return nil, errors.New("--changes-fd needs --vm-fd, --own-links and a command")
	}
	if err := dial.Check(o.agent); err != nil {
		return nil, fmt.Errorf("--agent: %w", err)
	}
	if o.helps() {
		return o, nil
	}
	if err := wire.ValidID(o.container); err != nil {
		return nil, fmt.Errorf("--container: %w", err)
	}
	if o.exec != "" {
		if err := wire.ValidID(o.exec); err != nil {
			return nil, fmt.Errorf("--exec: %w", err)
		}
	}
	return o, nil
}

func (o *options) logger() (*slog.Logger, error) {
	if o.logFile == "" {
		return slog.New(slog.DiscardHandler), nil
	}
	// It stays open until the process ends.
	file, err := log.Open(o.logFile)
	if err != nil {
		return nil, err
	}
	logger, err := log.New(file, o.logFormat, o.debug)
	if err != nil {
		return nil, err
	}
	return logger.With("program", "kata-shim", "container", o.container, "exec", o.exec), nil
}

// disownTimeout is for a guest that hangs.
const disownTimeout = 10 * time.Second

// disown ends a further process of a container whose starter has died: it may
// have come to exist, and nobody else knows of it. A container itself is in the
// sandbox's state, with which whoever deletes it goes on.
func (o *options) disown(logger *slog.Logger) {
	if o.exec == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), disownTimeout)
	defer cancel()
	agent, err := dial.Client(ctx, o.agent)
	if err == nil {
		defer agent.Close()
		err = agent.EndExec(ctx, o.container, o.exec)
	}
	if err != nil {
		logger.Debug("cannot end a process that was not taken over", "error", err)
	}
}

// told waits for a byte on a descriptor, and closes it; false at its end.
func told(fd int) bool {
	file := os.NewFile(uintptr(fd), "start")
	if file == nil {
		return false
	}
	defer file.Close()
	n, err := file.Read(make([]byte, 1))
	return n == 1 && err == nil
}
