package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/sock"
	"github.com/kata-go/kata-runtime/oci"
)

// socketDir is where containerd's shims have their sockets: paths in it are
// short enough for sun_path, and containerd knows nothing else of them.
const socketDir = "/run/containerd/s"

// dialTimeout is for a service on this machine, which accepts at once.
const dialTimeout = 5 * time.Second

// start starts the service of a container, or finds its pod's, and prints the
// address.
func start(o *options, out io.Writer) error {
	// If containerd has gone, the answer that nobody reads is an error, after which
	// the service is ended, and not our end.
	signal.Ignore(unix.SIGPIPE)
	bundle, err := oci.Load(o.bundle)
	if err != nil {
		return err
	}
	role, sandbox, err := oci.RoleOf(bundle.Spec)
	if err != nil {
		return err
	}
	group := o.id
	if role == oci.Member {
		group = sandbox
	}
	socket := socketPath(o.address, o.namespace, group)
	var service *os.Process
	switch err := alive(socket); {
	case err == nil:
	case role == oci.Member:
		return fmt.Errorf("container %s: its sandbox %s has no shim: %w", o.id, sandbox, err)
	default:
		if service, err = spawn(o, socket); err != nil {
			return err
		}
	}
	return announce(o.bundle, socket, service, out)
}

// announce tells containerd where a container's service is. service is the one
// that was started for it, or nil: it ends if containerd does not get to know of
// it, since nobody would end it later.
func announce(bundle, socket string, service *os.Process, out io.Writer) (err error) {
	if service != nil {
		defer func() {
			if err == nil {
				err = service.Release()
				return
			}
			service.Kill() // or it has ended
			service.Wait()
			os.Remove(socket)
		}()
		pid := fmt.Appendf(nil, "%d", service.Pid)
		if err := os.WriteFile(filepath.Join(bundle, "shim.pid"), pid, 0o600); err != nil {
			return err
		}
	}
	address := "unix://" + socket
	// containerd reads it again when it was restarted.
	if err := os.WriteFile(filepath.Join(bundle, "address"), []byte(address), 0o600); err != nil {
		return err
	}
	_, err = io.WriteString(out, address)
	return err
}

// socketPath is the same for all containers of a pod of one containerd.
func socketPath(containerd, namespace, group string) string {
	sum := sha256.Sum256([]byte(containerd + "\x00" + namespace + "\x00" + group))
	return fmt.Sprintf("%s/%x", socketDir, sum)
}

// alive tells whether somebody serves a socket.
func alive(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	conn, err := sock.Dial(ctx, path)
	if err != nil {
		return err
	}
	return conn.Close()
}

// spawn starts the service in a session of its own. It gets the socket
// listening, so that containerd may connect at once.
func spawn(o *options, socket string) (*os.Process, error) {
	if err := os.MkdirAll(socketDir, 0o700); err != nil {
		return nil, err
	}
	// Nobody serves it: it is a killed service's.
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	defer listener.Close()
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, err
	}
	file, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-namespace", o.namespace, "-id", o.id, "-address", o.address,
		"-bundle", o.bundle, "-socket", socket)
	if o.debug {
		cmd.Args = append(cmd.Args, "-debug")
	}
	cmd.Dir = o.bundle
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		os.Remove(socket)
		return nil, fmt.Errorf("start the service: %w", err)
	}
	// It outlives containerd under memory pressure, as containerd's own shims do.
	if err := protect(cmd.Process.Pid); err != nil && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	return cmd.Process, nil
}

// protect gives a process the oom_score_adj of our parent, containerd, plus one.
func protect(pid int) error {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", os.Getppid()))
	if err != nil {
		return err
	}
	var score int
	if _, err := fmt.Sscanf(string(data), "%d", &score); err != nil {
		return err
	}
	return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), fmt.Appendf(nil, "%d", min(score+1, 1000)), 0)
}
