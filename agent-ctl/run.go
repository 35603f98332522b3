package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/shim/relay"
)

var runCommand = cli.Command{
	Name:      "run",
	Usage:     "create a container from a bundle, run it, remove it, and end with its exit code",
	ArgsUsage: "CONTAINER BUNDLE|CONFIG.JSON",
	Description: "The paths in config.json are the guest's. A sandbox of the container's name is created if there is none.\n" +
		"   Standard input, output and error are the container's.",
	Action: func(c *cli.Context) error {
		if c.NArg() != 2 {
			return errors.New("run: takes the arguments CONTAINER BUNDLE|CONFIG.JSON")
		}
		id := c.Args().Get(0)
		spec, data, err := bundle(c.Args().Get(1))
		if err != nil {
			return fmt.Errorf("run: %w", err)
		}
		ctx, agent, done, err := connect(c)
		if err != nil {
			return err
		}
		defer done()
		// An agent that has a sandbox already says so; that is as good.
		if _, err := agent.CreateSandbox(ctx, &agentpb.CreateSandboxRequest{SandboxId: id}); err != nil && !exists(err) {
			return fmt.Errorf("run: create sandbox: %w", err)
		}
		if _, err := agent.CreateContainer(ctx, &agentpb.CreateContainerRequest{ContainerId: id, OciSpec: data}); err != nil {
			return fmt.Errorf("run: create container %s: %w", id, err)
		}
		defer func() {
			// The exit code says more than what a second failure would.
			_, _ = agent.RemoveContainer(context.WithoutCancel(ctx), &agentpb.ContainerRequest{ContainerId: id})
		}()
		if _, err := agent.StartContainer(ctx, &agentpb.ContainerRequest{ContainerId: id}); err != nil {
			return fmt.Errorf("run: start container %s: %w", id, err)
		}
		return relayed(c, id, "", spec.Process != nil && spec.Process.Terminal)
	},
}

var execCommand = cli.Command{
	Name:      "exec",
	Usage:     "run a command in a container and end with its exit code",
	ArgsUsage: "CONTAINER COMMAND [ARGUMENT...]",
	Flags: []cli.Flag{
		cli.StringFlag{Name: "id", Value: "ctl", Usage: "the process's `ID`, unique in the container"},
		cli.BoolFlag{Name: "tty, t", Usage: "give it a terminal"},
		cli.StringFlag{Name: "cwd", Value: "/", Usage: "its working `DIRECTORY`"},
	},
	// What follows the command is its own.
	SkipArgReorder: true,
	Action: func(c *cli.Context) error {
		if c.NArg() < 2 {
			return errors.New("exec: takes the arguments CONTAINER COMMAND [ARGUMENT...]")
		}
		process, err := json.Marshal(&specs.Process{
			Args: c.Args().Tail(), Cwd: c.String("cwd"), Terminal: c.Bool("tty"),
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=" + os.Getenv("TERM")},
		})
		if err != nil {
			return err
		}
		ctx, agent, done, err := connect(c)
		if err != nil {
			return err
		}
		defer done()
		request := &agentpb.ExecProcessRequest{ContainerId: c.Args().First(), ExecId: c.String("id"), Process: process}
		if _, err := agent.ExecProcess(ctx, request); err != nil {
			return fmt.Errorf("exec: %w", err)
		}
		return relayed(c, request.ContainerId, request.ExecId, c.Bool("tty"))
	},
}

var attachCommand = cli.Command{
	Name:      "attach",
	Usage:     "stand in for a process and end with its exit code",
	ArgsUsage: "CONTAINER [EXEC]",
	Flags:     []cli.Flag{cli.BoolFlag{Name: "tty, t", Usage: "the process has a terminal"}},
	Action: func(c *cli.Context) error {
		if c.NArg() < 1 || c.NArg() > 2 {
			return errors.New("attach: takes the arguments CONTAINER [EXEC]")
		}
		return relayed(c, c.Args().Get(0), c.Args().Get(1), c.Bool("tty"))
	},
}

var eventsCommand = cli.Command{
	Name:  "events",
	Usage: "show what happens in the guest, one JSON object per event, until interrupted (see --timeout)",
	Action: func(c *cli.Context) error {
		ctx, agent, done, err := connect(c)
		if err != nil {
			return err
		}
		defer done()
		events, err := agent.Events(ctx, &agentpb.EventsRequest{})
		if err != nil {
			return fmt.Errorf("events: %w", err)
		}
		out := json.NewEncoder(c.App.Writer)
		for {
			event, err := events.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("events: %w", err)
			}
			if err := out.Encode(event); err != nil {
				return err
			}
		}
	},
}

func exists(err error) bool { return call.CodeOf(err) == call.AlreadyExists }

// bundle reads a config.json, or that of a folder.
func bundle(path string) (*specs.Spec, []byte, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "config.json")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	spec := &specs.Spec{}
	if err := json.Unmarshal(data, spec); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return spec, data, nil
}

// relayed stands in for a process as kata-shim does, without a deadline.
func relayed(c *cli.Context, container, exec string, terminal bool) error {
	var console *os.File
	if terminal {
		console = os.Stdin
		held, err := relay.HoldTerminal(os.Stdin)
		if err != nil {
			return err
		}
		defer held.Restore()
		if err := held.Raw(); err != nil {
			return err
		}
	}
	r := &relay.Relay{
		Agent: c.GlobalString("agent"), Container: container, Exec: exec, Terminal: terminal, Console: console,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Signals: relay.Catch(), Log: slog.New(slog.DiscardHandler),
	}
	code, err := r.Run(context.Background())
	if err != nil {
		return err
	}
	if code != 0 {
		return cli.NewExitError("", code)
	}
	return nil
}
