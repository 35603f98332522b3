package main

import "github.com/urfave/cli"

var createCommand = cli.Command{
	Name:      "create",
	Usage:     "create a container",
	ArgsUsage: "<container-id>",
	Description: `The bundle's config.json says what the container is. Its VM boots, its
   process waits in the guest; "start" lets it run.`,
	Flags: createFlags,
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		host, req, err := createRequest(c, false)
		if err != nil {
			return err
		}
		_, err = host.Create(ctx, req)
		return err
	},
}
