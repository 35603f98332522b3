package main

import (
	"errors"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/internal/proc"
)

const creatorFlag = "creator"

var deleteCommand = cli.Command{
	Name:        "delete",
	Usage:       "delete any resources held by the container often used with detached containers",
	ArgsUsage:   "<container-id>",
	Description: `Deletes a stopped container; with --force also one that runs, is half made, or is gone already.`,
	Flags: []cli.Flag{
		cli.BoolFlag{Name: "force, f", Usage: "forcibly deletes the container if it is still running (uses SIGKILL)"},
		// For the guard of a creation: only what this process has left.
		cli.StringFlag{Name: creatorFlag, Hidden: true},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		if text := c.String(creatorFlag); text != "" {
			return deleteAbandoned(c, text)
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		return host.Delete(cleanupContext(), c.Args().First(), c.Bool("force"))
	},
}

// deleteAbandoned is what a creation's guard runs. What can be deleted without the
// configuration is.
func deleteAbandoned(c *cli.Context, text string) error {
	creator, err := proc.ParseHandle(text)
	if err != nil {
		return err
	}
	host, failed := envOf(c).hostWithSettings(nil)
	if failed != nil {
		if host, err = envOf(c).host(); err != nil {
			return err
		}
	}
	return errors.Join(failed, host.DeleteAbandoned(cleanupContext(), c.Args().First(), creator))
}
