// Command kata-agent-ctl drives an agent by hand: a command for each of its
// calls, with the call's request as JSON where it has more than an id, and the
// answer as JSON on standard output.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/agent-protocol/dial"
)

// version is the release; the build sets it (-ldflags "-X main.version=...").
var version = "unknown"

func main() {
	app := cli.NewApp()
	app.Name = "kata-agent-ctl"
	app.Usage = "drive an agent by hand"
	app.Version = version
	app.Flags = []cli.Flag{
		cli.StringFlag{Name: "agent", EnvVar: "KATA_AGENT", Usage: "the agent's `ADDRESS`: unix:///PATH or vsock://CID:PORT"},
		cli.DurationFlag{Name: "timeout", Value: time.Minute, Usage: "give a call up after this time; 0 never"},
	}
	app.Commands = append(calls(), runCommand, execCommand, attachCommand, eventsCommand)
	if err := app.Run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "kata-agent-ctl:", err)
		os.Exit(1)
	}
}

// connect greets the agent that the command line names. The context ends with
// --timeout.
func connect(c *cli.Context) (context.Context, *dial.Agent, func(), error) {
	addr := c.GlobalString("agent")
	if addr == "" {
		return nil, nil, nil, fmt.Errorf("which agent? give --agent ADDRESS or set KATA_AGENT")
	}
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if limit := c.GlobalDuration("timeout"); limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	agent, err := dial.Connect(ctx, addr, "kata-agent-ctl "+version)
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return ctx, agent, func() { agent.Close(); cancel() }, nil
}
