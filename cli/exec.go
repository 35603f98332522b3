package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/internal/tty"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var execCommand = cli.Command{
	Name:      "exec",
	Usage:     "execute new process inside the container",
	ArgsUsage: "<container-id> <command> [command options]  || -p process.json <container-id>",
	Description: `Runs a further process in a container and, unless --detach is given, waits
   for it and exits with its exit code.`,
	SkipArgReorder: true,
	Flags: []cli.Flag{
		consoleSocketFlag, pidFileFlag, pidfdSocketFlag, preserveFDsFlag,
		cli.StringFlag{Name: "cwd", Usage: "current working directory in the container"},
		cli.StringSliceFlag{Name: "env, e", Usage: "set environment variables"},
		cli.BoolFlag{Name: "tty, t", Usage: "allocate a pseudo-TTY"},
		cli.StringFlag{Name: "user, u", Usage: "UID (format: <uid>[:<gid>])"},
		cli.Int64SliceFlag{Name: "additional-gids, g", Usage: "additional gids"},
		cli.StringFlag{Name: "process, p", Usage: "path to the process.json"},
		cli.BoolFlag{Name: "detach, d", Usage: "detach from the container's process"},
		cli.StringFlag{Name: "process-label", Usage: "set the asm process label for the process commonly used with selinux"},
		cli.StringFlag{Name: "apparmor", Usage: "set the apparmor profile for the process"},
		cli.BoolFlag{Name: "no-new-privs", Usage: "set the no new privileges value for the process"},
		cli.StringSliceFlag{Name: "cap, c", Usage: "add a capability to the bounding set for the process"},
		cli.StringSliceFlag{Name: "cgroup", Usage: "refused: the container's cgroups are the guest's"},
		cli.BoolFlag{Name: "ignore-paused", Usage: "allow exec in a paused container"},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, atLeast); err != nil {
			return err
		}
		code, err := execProcess(c)
		if err != nil {
			// runc's exit code for an exec that could not run.
			return &exitError{code: 255, err: fmt.Errorf("exec failed: %w", err)}
		}
		return exitCode(code)
	},
}

func execProcess(c *cli.Context) (int, error) {
	if c.Int("preserve-fds") != 0 {
		return -1, errPreserveFDs
	}
	if len(c.StringSlice("cgroup")) != 0 {
		return -1, errors.New("--cgroup: a container in a VM has no sub-cgroups on the host")
	}
	id, foreground := c.Args().First(), !c.Bool("detach")
	host, err := envOf(c).host()
	if err != nil {
		return -1, err
	}
	info, err := host.Status(id)
	if err != nil {
		return -1, err
	}
	// One that is half made has no process to copy from.
	if err := info.Status.Check(container.Exec); err != nil {
		return -1, err
	}
	// Only now: an id that does not exist is told even if the settings are wrong.
	if host, err = envOf(c).hostWithSettings(nil); err != nil {
		return -1, err
	}
	process, err := processOf(c, info)
	if err != nil {
		return -1, err
	}
	if err := checkConsole(process.Terminal, c.String("console-socket"), foreground); err != nil {
		return -1, err
	}
	if err := withTerminalSize(process, foreground); err != nil {
		return -1, err
	}
	defer keepTerminal(process, foreground)()
	// runc goes into the bundle for the container's process document, and stays
	// where it is if it is given another one.
	base := info.Bundle
	if c.String("process") != "" {
		base = ""
	}
	ctx, heard := hearSignals()
	defer heard.stop()
	shim, err := host.Exec(ctx, &sandbox.ExecRequest{
		ID: id, Process: process, IgnorePaused: c.Bool("ignore-paused"),
		Console: fromBundle(base, c.String("console-socket")),
		Stdio: container.Stdio{
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
			NewSession: !foreground, NewGroup: foreground && !tty.Is(os.Stdin),
		},
		Publish: publisher(c.String("pid-file"), fromBundle(base, c.String("pidfd-socket"))),
	})
	if err != nil || !foreground {
		return 0, err
	}
	return heard.waitForeground(shim)
}

// processOf answers the process document: the one given, or the container's
// own with the flags applied, as runc does it.
func processOf(c *cli.Context, info *sandbox.Info) (*specs.Process, error) {
	if path := c.String("process"); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("process document: %w", err)
		}
		process, err := oci.ParseProcess(data)
		if err != nil {
			return nil, fmt.Errorf("process document %s: %w", path, err)
		}
		return process, nil
	}
	if c.NArg() < 2 {
		return nil, errors.New("process args cannot be empty")
	}
	p := info.Process
	p.Args = c.Args()[1:]
	p.Terminal = c.Bool("tty")
	p.Env = append(p.Env, c.StringSlice("env")...)
	if cwd := c.String("cwd"); cwd != "" {
		p.Cwd = cwd
	}
	if c.String("apparmor") != "" {
		p.ApparmorProfile = c.String("apparmor")
	}
	if c.String("process-label") != "" {
		p.SelinuxLabel = c.String("process-label")
	}
	if c.IsSet("no-new-privs") {
		p.NoNewPrivileges = c.Bool("no-new-privs")
	}
	addCapabilities(p, c.StringSlice("cap"))
	for _, gid := range c.Int64Slice("additional-gids") {
		if gid < 0 {
			return nil, fmt.Errorf("additional-gids must be a positive number, not %d", gid)
		}
		p.User.AdditionalGids = append(p.User.AdditionalGids, uint32(gid))
	}
	if err := setUser(p, c.String("user")); err != nil {
		return nil, err
	}
	return p, oci.CheckProcess(p)
}

func setUser(p *specs.Process, user string) error {
	if user == "" {
		return nil
	}
	uid, gid, found := strings.Cut(user, ":")
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil {
		return fmt.Errorf("parsing %s as int for uid failed: %w", uid, err)
	}
	p.User.UID = uint32(n)
	if found {
		if n, err = strconv.ParseUint(gid, 10, 32); err != nil {
			return fmt.Errorf("parsing %s as int for gid failed: %w", gid, err)
		}
		p.User.GID = uint32(n)
	}
	return nil
}

func addCapabilities(p *specs.Process, caps []string) {
	if len(caps) == 0 {
		return
	}
	if p.Capabilities == nil {
		p.Capabilities = &specs.LinuxCapabilities{}
	}
	for _, name := range caps {
		sets := []*[]string{&p.Capabilities.Bounding, &p.Capabilities.Effective, &p.Capabilities.Permitted}
		if p.Capabilities.Inheritable != nil {
			// As runc. None can be ambient that is not inheritable, too.
			sets = append(sets, &p.Capabilities.Ambient)
		}
		for _, set := range sets {
			if !slices.Contains(*set, name) {
				*set = append(*set, name)
			}
		}
	}
}
