package main

import "github.com/urfave/cli"

var pauseCommand = cli.Command{
	Name:        "pause",
	Usage:       "pause suspends all processes inside the container",
	ArgsUsage:   "<container-id>",
	Description: `The processes stay frozen in the guest until "resume".`,
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		return host.Pause(ctx, c.Args().First())
	},
}

var resumeCommand = cli.Command{
	Name:        "resume",
	Usage:       "resumes all processes that have been previously paused",
	ArgsUsage:   "<container-id>",
	Description: `Undoes "pause".`,
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		return host.Resume(ctx, c.Args().First())
	},
}
