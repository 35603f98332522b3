package main

import (
	"github.com/urfave/cli"
)

var deleteCommand = cli.Command{
	Name:        "delete",
	Usage:       "delete any resources held by the container often used with detached containers",
	ArgsUsage:   "<container-id>",
	Description: `Deletes a stopped container; with --force also one that runs, is half made, or is gone already.`,
	Flags: []cli.Flag{
		cli.BoolFlag{Name: "force, f", Usage: "forcibly deletes the container if it is still running (uses SIGKILL)"},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		return host.Delete(cleanupContext(), c.Args().First(), c.Bool("force"))
	},
}
