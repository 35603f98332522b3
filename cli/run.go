package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var runCommand = cli.Command{
	Name:      "run",
	Usage:     "create and run a container",
	ArgsUsage: "<container-id>",
	Description: `Creates the container, starts it, waits for its process to end unless
   --detach is given, and exits with the process's exit code.`,
	Flags: append([]cli.Flag{
		cli.BoolFlag{Name: "detach, d", Usage: "detach from the container's process"},
		cli.BoolFlag{Name: "keep", Usage: "do not delete the container after it exits"},
		cli.BoolFlag{Name: "no-subreaper", Usage: "accepted for compatibility: the guest reaps its own orphans"},
	}, createFlags...),
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		return run(c)
	},
}

func run(c *cli.Context) error {
	id, detach := c.Args().First(), c.Bool("detach")
	ctx, heard := hearSignals()
	defer heard.stop()
	host, req, err := createRequest(c, !detach)
	if err != nil {
		return err
	}
	defer keepTerminal(req.Bundle.Spec.Process, !detach)()
	shim, err := host.Create(ctx, req)
	if err != nil {
		return err
	}
	if err := host.Start(ctx, id); err != nil {
		return errors.Join(err, host.Delete(cleanupContext(), id, true))
	}
	if detach {
		return nil
	}
	phases := sandbox.NewPhases(envOf(c).Log, time.Now())
	code, err := heard.waitForeground(shim)
	phases.Done("ran")
	if !c.Bool("keep") {
		// Only a warning, as in runc: the caller waits for the process's exit code.
		if err := host.Delete(cleanupContext(), id, true); err != nil {
			envOf(c).Log.Warn(fmt.Sprintf("%v: try \"kata-runtime delete --force %s\"", err, id))
		}
		phases.Done("deleted")
	}
	if err != nil {
		return err
	}
	return exitCode(code)
}
