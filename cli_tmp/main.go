package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/urfave/cli"
)

type runtimeEnv struct {
	Root       string
	Log        *slog.Logger
	configPath string
}

func envOf(c *cli.Context) *runtimeEnv { return c.App.Metadata["env"].(*runtimeEnv) }

var commands = []cli.Command{specCommand, featuresCommand, versionCommand, checkCommand, envCommand, completionCommand}

const name = "kata-runtime"

func newApp() *cli.App {
	app := cli.NewApp()
	app.Name, app.Version = name, versionText()
	app.Flags = []cli.Flag{
		cli.BoolFlag{Name: "debug"},
		cli.StringFlag{Name: "root", Value: "/run/kata-containers"},
		cli.StringFlag{Name: "kata-config"},
	}
	app.Commands = commands
	app.Metadata = map[string]any{}
	app.Before = func(c *cli.Context) error {
		c.App.Metadata["env"] = &runtimeEnv{Root: c.String("root"), configPath: c.String("kata-config"), Log: slog.Default()}
		return nil
	}
	return app
}

func main() {
	if err := newApp().Run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
