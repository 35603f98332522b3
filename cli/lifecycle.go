package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/internal/tty"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

// Flags that create, run and exec have in common, as runc has them.
var (
	bundleFlag        = cli.StringFlag{Name: "bundle, b", Usage: "path to the root of the bundle directory, defaults to the current directory"}
	consoleSocketFlag = cli.StringFlag{Name: "console-socket", Usage: "path to an AF_UNIX socket which will receive a file descriptor referencing the master end of the console's pseudoterminal"}
	pidFileFlag       = cli.StringFlag{Name: "pid-file", Usage: "specify the file to write the process id to"}
	pidfdSocketFlag   = cli.StringFlag{Name: "pidfd-socket", Usage: "path to an AF_UNIX socket which will receive a file descriptor referencing the init process (the shim that stands for it)"}
	preserveFDsFlag   = cli.IntFlag{Name: "preserve-fds", Usage: "refused unless 0: file descriptors cannot enter a VM"}
	noPivotFlag       = cli.BoolFlag{Name: "no-pivot", Usage: "accepted for compatibility: the guest decides how it enters the root file system"}
	noNewKeyringFlag  = cli.BoolFlag{Name: "no-new-keyring", Usage: "accepted for compatibility: the guest's keyrings are not the host's"}
)

// createFlags are those of create; run has --detach and --keep besides.
var createFlags = []cli.Flag{
	bundleFlag, consoleSocketFlag, pidFileFlag, pidfdSocketFlag, noPivotFlag, noNewKeyringFlag, preserveFDsFlag,
}

var errPreserveFDs = errors.New("--preserve-fds: file descriptors of the host cannot be passed into a VM: use a volume or a socket over the network")

// began is when this process was at its first lines of Go.
var began = time.Now()

// createRequest does what create and run begin with. foreground is run
// without --detach: the shim then stays in this process's session.
func createRequest(c *cli.Context, foreground bool) (*sandbox.Host, *sandbox.CreateRequest, error) {
	if c.Int("preserve-fds") != 0 {
		return nil, nil, errPreserveFDs
	}
	if n := activatedSockets(); n > 0 {
		return nil, nil, fmt.Errorf("LISTEN_FDS: %d sockets of systemd cannot be passed into a VM: unset LISTEN_FDS, and let the container listen itself", n)
	}
	bundle, err := oci.Load(c.String("bundle"))
	if err != nil {
		return nil, nil, err
	}
	host, err := envOf(c).hostWithSettings(bundle.Spec.Annotations)
	if err != nil {
		return nil, nil, err
	}
	warnNotify(envOf(c).Log, bundle.Spec.Process.Env)
	if err := checkConsole(bundle.Spec.Process.Terminal, c.String("console-socket"), foreground); err != nil {
		return nil, nil, err
	}
	if err := withTerminalSize(bundle.Spec.Process, foreground); err != nil {
		return nil, nil, err
	}
	req := &sandbox.CreateRequest{
		ID: c.Args().First(), Bundle: bundle,
		Console: fromBundle(bundle.Path, c.String("console-socket")),
		Stdio:   container.Stdio{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, NewSession: !foreground},
		Publish: publisher(c.String("pid-file"), fromBundle(bundle.Path, c.String("pidfd-socket"))),
	}
	if foreground && !tty.Is(os.Stdin) {
		req.Stdio.NewGroup = true
	}
	sandbox.NewPhases(envOf(c).Log, began).Done("config")
	return host, req, nil
}

// fromBundle answers where a socket is: runc goes into the bundle before it looks.
// Without a bundle it is where it is said.
func fromBundle(bundle, socket string) string {
	if bundle == "" || socket == "" || filepath.IsAbs(socket) {
		return socket
	}
	return filepath.Join(bundle, socket)
}

// activatedSockets answers how many sockets systemd gave to this process
// (sd_listen_fds(3)), which runc would pass on.
func activatedSockets() int {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return 0
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil {
		return 0
	}
	return n
}

// warnNotify tells why systemd would wait in vain for a container to say that it is
// ready (sd_notify(3)): runc has its socket in the container, where our caller is
// told of it or the container itself is (Podman).
func warnNotify(log *slog.Logger, env []string) {
	inside := slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "NOTIFY_SOCKET=") })
	if inside || os.Getenv("NOTIFY_SOCKET") != "" {
		log.Warn("NOTIFY_SOCKET: a socket of the host cannot be reached from a VM, so systemd does not hear from the container: " +
			"let the engine say that it is ready (podman run --sdnotify=conmon)")
	}
}

// checkConsole refuses what runc refuses (utils_linux.go, setupIO).
func checkConsole(terminal bool, socket string, foreground bool) error {
	switch {
	case terminal && !foreground && socket == "":
		return errors.New("cannot allocate tty if kata-runtime will detach without setting console socket: give --console-socket")
	case socket != "" && (!terminal || foreground):
		return errors.New("cannot use console socket if kata-runtime will not detach or allocate tty")
	}
	return nil
}

// publisher answers the function that tells the engine a process's pid, by
// file and by pidfd, once the process stands.
func publisher(file, socket string) func(pid int) error {
	return func(pid int) error {
		if socket != "" {
			if err := sendPidfd(socket, pid); err != nil {
				return err
			}
		}
		if file != "" {
			return writePidFile(file, pid)
		}
		return nil
	}
}

// writePidFile writes the file as a whole: engines watch for its name.
func writePidFile(path string, pid int) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	_, err = f.WriteString(strconv.Itoa(pid))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return fmt.Errorf("pid file: %w", err)
	}
	return nil
}
