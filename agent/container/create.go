package container

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/kata-go/kata-runtime/agent/boot"
	"github.com/kata-go/kata-runtime/agent/initproc"
	"github.com/kata-go/kata-runtime/agent/process"
)

// StateRoot is where libcontainer keeps its state, a folder for each container.
const StateRoot = "/run/kata-agent/containers"

// ParseSpec reads a config.json.
func ParseSpec(data []byte) (*specs.Spec, error) {
	spec := &specs.Spec{}
	if err := json.Unmarshal(data, spec); err != nil {
		return nil, fmt.Errorf("%w: config.json: %w", ErrInvalid, err)
	}
	return spec, nil
}

// ParseProcess reads a process of the runtime-spec.
func ParseProcess(data []byte) (*specs.Process, error) {
	p := &specs.Process{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("%w: process: %w", ErrInvalid, err)
	}
	if len(p.Args) == 0 {
		return nil, fmt.Errorf("%w: process.args is empty", ErrInvalid)
	}
	return p, nil
}

// Create makes a container as far as its init process, which waits for Start.
// The id must be checked and free. On an error nothing is left of it.
func Create(log *slog.Logger, id string, spec *specs.Spec, guest Guest, ended Ended) (*Container, error) {
	bundle := takeBundle(spec)
	sysctls, err := guest.rewrite(log, id, spec)
	if err != nil {
		return nil, fmt.Errorf("%w: config.json of container %s: %w", ErrInvalid, id, err)
	}
	if err := WriteSysctls(sysctls); err != nil {
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	nodes, err := bindNodes(nodeRoot, spec)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	if nodes != "" {
		// Mounted or not by the end of this, a node lives on where it is mounted.
		defer os.RemoveAll(nodes)
	}
	config, err := specconv.CreateLibcontainerConfig(&specconv.CreateOpts{CgroupName: id, Spec: spec})
	if err != nil {
		return nil, fmt.Errorf("%w: config.json of container %s: %w", ErrInvalid, id, err)
	}
	nameBundle(config, bundle)
	lp, err := libProcess(spec.Process)
	if err != nil {
		return nil, fmt.Errorf("%w: config.json of container %s: %w", ErrInvalid, id, err)
	}
	if c := lp.Capabilities; c != nil && slices.Contains(c.Bounding, "CAP_NET_ADMIN") {
		if err := boot.LoadPacketFilters(); err != nil {
			log.Warn("container without iptables", "container", id, "error", err)
		}
	}
	// A second manager of the same group: libcontainer's container has one
	// behind a lock that it holds while a process starts.
	group, err := manager.New(config.Cgroups)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	lib, err := libcontainer.Create(StateRoot, id, config)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	c := &Container{ID: id, log: log, guest: guest, spec: spec, lib: lib, cgroup: group, ended: ended,
		stages: stages{group: spec.Linux.CgroupsPath}, execs: map[string]*process.Process{}}
	lp.Init = true
	if c.init, err = c.launch(lib, "", lp, spec.Process.Terminal); err != nil {
		// The state folder is libcontainer's to remove, with what may be in it.
		if derr := lib.Destroy(); derr != nil {
			log.Warn("container not removed after a failed start", "container", id, "error", derr)
			os.RemoveAll(StateRoot + "/" + id)
		}
		return nil, fmt.Errorf("container %s: %s", id, startFailure(err))
	}
	return c, nil
}

// startFailure is what libcontainer says of a start that failed, without the
// phrases that the runtime begins with.
func startFailure(err error) string {
	text := err.Error()
	for _, phrase := range []string{"unable to start container process: ", "error during container init: "} {
		text = strings.TrimPrefix(text, phrase)
	}
	return text
}

// launch starts a process of the container, by the one or another handle of
// it, and has it reaped.
func (c *Container) launch(lib *libcontainer.Container, execID string, lp *libcontainer.Process, terminal bool) (*process.Process, error) {
	stdio, err := process.NewStdio(terminal)
	if err != nil {
		return nil, err
	}
	if err := own(stdio, lib.Config()); err != nil {
		stdio.Close()
		return nil, err
	}
	lp.LogLevel = logLevel(c.spec.Linux.Seccomp)
	// Not nil pointers in the interfaces.
	if stdio.ConsoleSocket != nil {
		lp.ConsoleSocket = stdio.ConsoleSocket
	} else {
		lp.Stdin, lp.Stdout, lp.Stderr = stdio.Stdin, stdio.Stdout, stdio.Stderr
	}
	pid, err := c.begin(lib, lp)
	if err != nil {
		stdio.Close()
		return nil, err
	}
	started, err := process.New(pid, lp, stdio, func(exit *process.Exit) {
		c.stages.reaped(pid)
		exit.OOMKilled = c.oomKills() > 0
		c.ended(execID, *exit)
	})
	if err != nil {
		c.stages.reaped(pid)
	}
	return started, err
}

// begin has libcontainer start a process, and what a failure leaves of it reaped.
func (c *Container) begin(lib *libcontainer.Container, lp *libcontainer.Process) (pid int, err error) {
	c.stages.begin()
	defer func() { c.stages.end(pid, err) }()
	if err := lib.Start(lp); err != nil {
		return 0, err
	}
	return lp.Pid()
}

// own gives the standard streams to the container's root, if that is another
// user than the guest's: in a user namespace libcontainer's init can pass on to
// the process's user only what belongs to someone whom the namespace knows.
func own(stdio *process.Stdio, config configs.Config) error {
	if !config.Namespaces.Contains(configs.NEWUSER) {
		return nil
	}
	uid, err := config.HostRootUID()
	if err != nil {
		return err
	}
	gid, err := config.HostRootGID()
	if err != nil {
		return err
	}
	return stdio.Chown(uid, gid)
}

// logLevel answers the level for a process's start, with what initproc reads
// from it besides.
func logLevel(profile *specs.LinuxSeccomp) string {
	level := logrus.InfoLevel // what libcontainer takes by itself
	if logrus.IsLevelEnabled(logrus.DebugLevel) {
		level = logrus.DebugLevel
	}
	text := strconv.Itoa(int(level))
	if refuses(profile, "statx") {
		text = initproc.WithoutStatx + text
	}
	return text
}

// Start lets the init process run the user's command. One that runs already is
// no error, as for Pause.
func (c *Container) Start() error {
	c.change.Lock()
	defer c.change.Unlock()
	switch state := c.State(); state {
	case Created:
	case Running:
		return nil
	default:
		return c.stateError("start", state)
	}
	refresh(c.spec.Mounts)
	if err := c.lib.Exec(); err != nil {
		return fmt.Errorf("start container %s: %w", c.ID, err)
	}
	c.mu.Lock()
	c.started = true
	c.mu.Unlock()
	return nil
}
