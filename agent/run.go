package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/mdlayher/vsock"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/agent/boot"
	"github.com/kata-go/kata-runtime/agent/channel"
	"github.com/kata-go/kata-runtime/agent/container"
	"github.com/kata-go/kata-runtime/agent/machine"
	"github.com/kata-go/kata-runtime/agent/pid1"
	"github.com/kata-go/kata-runtime/agent/service"
	"github.com/kata-go/kata-runtime/agent/uevent"
	"github.com/kata-go/kata-runtime/internal/sock"
)

const (
	// cgroupParent is the group that the containers' groups lie in.
	cgroupParent = "/kata"
	// vsockPort is where the host looks for the agent.
	vsockPort = 1024
	// lastWords is how long the answers that are under way may take before the
	// guest ends.
	lastWords = 2 * time.Second
)

func run(s settings) error {
	ctx := context.Background()
	isInit := pid1.IsInit()
	var options boot.Options
	if isInit {
		// Nothing but the host ends the guest. A container that shares its pid
		// namespace can still try.
		// Caught, not ignored: what is ignored stays so in every process of a
		// container, over all execs.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGQUIT)
		if err := boot.EarlyMounts(); err != nil {
			return err
		}
	}
	if s.listen == "" {
		var err error
		if options, err = boot.ReadOptions(); err != nil {
			return err
		}
	}
	log := newLog(options.Debug)
	// libcontainer hands this on to the init processes of containers, which
	// are of one thread anyway.
	os.Setenv("GOMAXPROCS", "1")

	ready := make(chan struct{})
	config := service.Config{Log: log, Release: version, IsInit: isInit, Ready: ready,
		Guest: container.Guest{CgroupRoot: boot.CgroupRoot, CgroupParent: cgroupParent}}
	var server *call.Server
	serial := channel.NewSerial(log)
	if isInit {
		config.PowerOff = func() { go powerOff(log, server, serial) }
	}
	agent := service.New(config)
	server = agent.Calls()
	// Each listener has connections of both kinds: calls and streams.
	listener := func(l net.Listener) error {
		return server.Serve(stream.Split(l, func(conn net.Conn) { agent.ServeStream(ctx, conn) }))
	}
	loaded := make(chan struct{})
	go func() {
		if isInit {
			setUp(ctx, log, loaded)
		} else {
			close(loaded)
		}
		setUpContainers(log)
		close(ready)
		if isInit {
			quietenLater(log)
		}
	}()
	return serve(ctx, s, options, serial, listener, loaded)
}

// newLog logs to the console. A serial console costs the guest an exit for
// each character, so by default it gets warnings only.
func newLog(debug bool) *slog.Logger {
	level := slog.LevelWarn
	if debug {
		level = slog.LevelDebug
	}
	// libcontainer's own lines; it answers what matters as errors.
	logrus.SetLevel(logrus.WarnLevel)
	if debug {
		logrus.SetLevel(logrus.DebugLevel)
		logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true, TimestampFormat: time.RFC3339Nano})
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// setUp makes the guest fit for containers. It runs beside the agent's first
// answers. What fails here is missed, with a better message, by the container
// that needs it. loaded is closed when the devices that there are have drivers.
func setUp(ctx context.Context, log *slog.Logger, loaded chan<- struct{}) {
	step := stepper(log)
	step("modules", func() error { return boot.LoadModules(boot.ModuleList) })
	step("drivers", func() error { return drivers(ctx, log) })
	close(loaded)
	step("modprobe", boot.NameModprobe)
	step("console", boot.ReopenConsole)
	step("grace periods", boot.ExpediteRCU)
	step("mounts", boot.LateMounts)
	step("loopback", boot.LoopbackUp)
	step("limits", machine.RaiseLimits)
}

// stepper runs parts of the set-up and logs those that fail.
func stepper(log *slog.Logger) func(name string, f func() error) {
	return func(name string, f func() error) {
		if err := f(); err != nil {
			log.Error("guest set-up", "step", name, "error", err)
		}
	}
}

// quietAfter is when the guest's kernel is told to wake less often: a start has
// something better to do, and a guest that lives shorter does not need it.
const quietAfter = 3 * time.Second

func quietenLater(log *slog.Logger) {
	time.AfterFunc(quietAfter, func() { stepper(log)("fewer wake-ups", machine.Quieten) })
}

// setUpContainers does what containers need under any init.
func setUpContainers(log *slog.Logger) {
	step := stepper(log)
	step("cgroups", func() error { return boot.SetUpCgroups(cgroupParent) })
	if runtime.NumCPU() > 1 {
		step("CPU quotas", func() error { return machine.KeepQuotas(boot.CgroupRoot) })
	}
	step("memory protection", func() error { return os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0) })
	log.Debug("the guest is set up")
}

// drivers loads the drivers of the devices that there are, and then of those
// that get plugged in.
func drivers(ctx context.Context, log *slog.Logger) error {
	list, err := boot.ReadDrivers(boot.DeviceList)
	if err != nil || !list.Any() {
		return err
	}
	// Before the look at what is there, so that nothing comes in between.
	events, err := uevent.Listen()
	if err != nil {
		return err
	}
	err = list.Present()
	go list.Follow(ctx, events, func(err error) { log.Error("driver", "error", err) })
	return err
}

// serve serves the channel that was chosen, for ever if that can be.
func serve(ctx context.Context, s settings, o boot.Options, serial *channel.Serial, listener func(net.Listener) error, loaded <-chan struct{}) error {
	switch {
	case s.listen != "":
		path, ok := strings.CutPrefix(s.listen, "unix://")
		if !ok || !strings.HasPrefix(path, "/") {
			return fmt.Errorf("--listen %q: want unix:///PATH", s.listen)
		}
		l, err := sock.Listen(path)
		if err != nil {
			return err
		}
		defer os.Remove(path)
		return listener(l)
	case o.VSock:
		l, err := vsock.ListenContextID(unix.VMADDR_CID_ANY, vsockPort, nil)
		if errors.Is(err, unix.EAFNOSUPPORT) {
			// A kernel that has it as a module; serial ports are waited for likewise.
			<-loaded
			l, err = vsock.ListenContextID(unix.VMADDR_CID_ANY, vsockPort, nil)
		}
		if err != nil {
			return fmt.Errorf("listen on vsock port %d: %w", vsockPort, err)
		}
		return listener(l)
	default:
		return serial.Serve(ctx, channel.PortName, listener)
	}
}

// powerOff ends the guest when the answers that are under way are on the host.
func powerOff(log *slog.Logger, server *call.Server, serial *channel.Serial) {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := server.Drain(ctx); err != nil {
		log.Debug("some calls were not answered", "cause", err)
	}
	if err := serial.Flush(ctx); err != nil {
		log.Debug("the host may lack the last answers", "cause", err)
	}
	// A restart ends QEMU on every machine, see pid1.c.
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART); err != nil {
		log.Error("the guest does not end", "error", err)
		os.Exit(1)
	}
}
