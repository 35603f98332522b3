package main

import (
	"context"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var startCommand = cli.Command{
	Name:        "start",
	Usage:       "executes the user defined process in a created container",
	ArgsUsage:   "<container-id>",
	Description: `Lets the process of a created container run.`,
	Action:      onContainer((*sandbox.Host).Start),
}

var pauseCommand = cli.Command{
	Name:        "pause",
	Usage:       "pause suspends all processes inside the container",
	ArgsUsage:   "<container-id>",
	Description: `The processes stay frozen in the guest until "resume".`,
	Action:      onContainer((*sandbox.Host).Pause),
}

var resumeCommand = cli.Command{
	Name:        "resume",
	Usage:       "resumes all processes that have been previously paused",
	ArgsUsage:   "<container-id>",
	Description: `Undoes "pause".`,
	Action:      onContainer((*sandbox.Host).Resume),
}

// onContainer is what a verb does that takes one container, and can be
// interrupted.
func onContainer(do func(*sandbox.Host, context.Context, string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		return do(host, ctx, c.Args().First())
	}
}
