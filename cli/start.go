package main

import "github.com/urfave/cli"

var startCommand = cli.Command{
	Name:        "start",
	Usage:       "executes the user defined process in a created container",
	ArgsUsage:   "<container-id>",
	Description: `Lets the process of a created container run.`,
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
		return host.Start(ctx, c.Args().First())
	},
}
