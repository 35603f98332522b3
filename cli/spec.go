package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/urfave/cli"
)

var specCommand = cli.Command{
	Name:      "spec",
	Usage:     "write a sample config.json",
	ArgsUsage: " ",
	Description: `Write a config.json with a shell in a terminal as the container's process into
   the bundle, to be changed as needed. A file that is there already is kept, and
   the command fails.`,
	Flags: []cli.Flag{
		cli.StringFlag{Name: "bundle, b", Usage: "`FOLDER` to write to; by default the current one"},
		cli.BoolFlag{Name: "rootless", Usage: "write one for a container of a user without privileges"},
	},
	Action: func(ctx *cli.Context) error {
		if err := wantArgs(ctx, 0); err != nil {
			return err
		}
		return writeSpec(ctx.String("bundle"), ctx.Bool("rootless"))
	},
}

// writeSpec makes config.json in the bundle, "" for the current folder.
func writeSpec(bundle string, rootless bool) error {
	spec := specconv.Example()
	if rootless {
		specconv.ToRootless(spec)
	}
	data, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	path := filepath.Join(bundle, "config.json")
	// O_EXCL: nothing between a look and the write can be overwritten.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("spec: %s exists: remove it first", path)
	}
	if err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("spec: %w", err), os.Remove(path))
	}
	return nil
}
