package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var factoryCommand = cli.Command{
	Name:  "factory",
	Usage: "manage the saved VM that new ones are clones of",
	Description: `A template is a VM that was saved when its guest had booted. With
   enable_template or auto_template in [factory], new VMs begin there instead of
   booting.`,
	Subcommands: []cli.Command{factoryInitCommand, factoryStatusCommand, factoryDestroyCommand},
	Action: func(c *cli.Context) error {
		return fmt.Errorf("factory: give one of init, status, destroy (got %q)", c.Args().First())
	},
}

var factoryInitCommand = cli.Command{
	Name:      "init",
	Usage:     "make the template for the configuration in force",
	ArgsUsage: " ",
	Action: func(c *cli.Context) error {
		host, settings, err := factoryHost(c)
		if err != nil {
			return err
		}
		if !settings.Enabled() {
			return errors.New("factory init: [factory] has neither enable_template nor auto_template: set one of them to true")
		}
		ctx, stop := interruptible()
		defer stop()
		info, err := host.MakeTemplate(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.App.Writer, "vm factory initialized\ntemplate %s in %s\n", info.Key, settings.Folder().Path())
		return err
	},
}

var factoryStatusCommand = cli.Command{
	Name:      "status",
	Usage:     "show the templates",
	ArgsUsage: " ",
	Action: func(c *cli.Context) error {
		host, settings, err := factoryHost(c)
		if err != nil {
			return err
		}
		templates, err := host.Templates()
		if err != nil {
			return err
		}
		return printTemplates(c.App.Writer, settings.Enabled(), templates)
	},
}

var factoryDestroyCommand = cli.Command{
	Name:      "destroy",
	Usage:     "remove all templates; running clones are not touched",
	ArgsUsage: " ",
	Action: func(c *cli.Context) error {
		host, _, err := factoryHost(c)
		if err != nil {
			return err
		}
		if err := host.RemoveTemplates(cleanupContext()); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.App.Writer, "vm factory destroyed")
		return err
	},
}

func factoryHost(c *cli.Context) (*sandbox.Host, *factory.Config, error) {
	if err := wantArgs(c, 0); err != nil {
		return nil, nil, err
	}
	host, err := envOf(c).hostWithSettings(nil)
	if err != nil {
		return nil, nil, err
	}
	return host, host.Factory(), nil
}

// printTemplates begins with the line of Kata 1.x, "on" if there is a template
// to be used.
func printTemplates(w io.Writer, enabled bool, t *sandbox.Templates) error {
	state := "off"
	for _, l := range t.All {
		if enabled && l.Err == nil {
			state = "on"
		}
	}
	text := fmt.Sprintf("vm factory is %s\nfolder %s\n", state, t.Path)
	for _, l := range t.All {
		text += "template " + l.Key
		if l.Info != nil {
			text += fmt.Sprintf(" made %s: %s, %s, %d CPU, %d MiB", l.Info.Created.Format(time.RFC3339),
				l.Info.Machine, l.Info.Accelerator, l.Info.VCPUs, l.Info.MemoryMiB)
		}
		if l.Err != nil {
			text += fmt.Sprintf(", not used: %v", l.Err)
		}
		text += "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
