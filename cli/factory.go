package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/internal/heap"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var factoryCommand = cli.Command{
	Name:  "factory",
	Usage: "manage what makes VMs start faster: saved ones, those kept ready, kept translations",
	Description: `A template is a VM that was saved when its guest had booted. With
   enable_template or auto_template in [factory], new VMs begin there instead of
   booting. With vm_cache_number, a server keeps so many VMs ready beyond that
   point, and new sandboxes get one of them. With keep_translations, QEMU without
   KVM uses what it has translated of the guest's code before.`,
	Subcommands: []cli.Command{factoryInitCommand, factoryStatusCommand, factoryDestroyCommand, factoryServeCommand, factoryTidyCommand},
	Action: func(c *cli.Context) error {
		return fmt.Errorf("factory: give one of init, status, destroy, serve (got %q)", c.Args().First())
	},
}

var factoryInitCommand = cli.Command{
	Name:      "init",
	Usage:     "make the template, record translations and fill the cache of VMs for the configuration in force",
	ArgsUsage: " ",
	Action: func(c *cli.Context) error {
		host, settings, err := factoryHost(c)
		if err != nil {
			return err
		}
		if !settings.Enabled() && settings.VMCacheNumber == 0 && !settings.KeepTranslations {
			return errors.New("factory init: [factory] has neither enable_template nor auto_template nor keep_translations nor vm_cache_number: set one of them")
		}
		ctx, stop := interruptible()
		defer stop()
		end, err := host.GuardFactory()
		if err != nil {
			return err
		}
		defer end()
		text := "vm factory initialized\n"
		if settings.Enabled() {
			info, err := host.MakeTemplate(ctx)
			if err != nil {
				return err
			}
			text += fmt.Sprintf("template %s in %s\n", info.Key, settings.Folder().Path())
		}
		if settings.KeepTranslations {
			keys, err := host.RecordTranslations(ctx)
			if err != nil {
				return err
			}
			text += fmt.Sprintf("translations %s in %s\n", strings.Join(keys, ", "), settings.Translations().Path())
		}
		if settings.VMCacheNumber > 0 {
			status, err := host.StartCache(ctx)
			if err != nil {
				return err
			}
			text += fmt.Sprintf("cache of %d VMs at %s\n", status.Ready, settings.Endpoint())
		}
		_, err = io.WriteString(c.App.Writer, text)
		return err
	},
}

var factoryDestroyCommand = cli.Command{
	Name:      "destroy",
	Usage:     "remove all templates, kept translations and the VMs that are kept ready; those in use are not touched",
	ArgsUsage: " ",
	Action: func(c *cli.Context) error {
		host, _, err := factoryHost(c)
		if err != nil {
			return err
		}
		// The server first: it uses the templates.
		if err := errors.Join(host.StopCache(cleanupContext()), host.RemoveTemplates(cleanupContext()), host.RemoveTranslations(cleanupContext())); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.App.Writer, "vm factory destroyed")
		return err
	},
}

// factoryTidyCommand is what init's guard runs.
var factoryTidyCommand = cli.Command{
	Name:   "tidy",
	Usage:  "remove what a killed init has left",
	Hidden: true,
	Action: func(c *cli.Context) error {
		host, _, err := factoryHost(c)
		if err != nil {
			return err
		}
		return host.TidyFactory(cleanupContext())
	},
}

var factoryServeCommand = cli.Command{
	Name:      "serve",
	Usage:     "keep VMs ready, in the foreground, until SIGTERM or destroy",
	ArgsUsage: " ",
	Description: `Keep vm_cache_number VMs ready and hand them to new sandboxes. "factory init"
   and the first start run this in the background; a service manager may run it
   instead. It ends the VMs that nobody has taken when it ends.`,
	Flags: []cli.Flag{
		cli.BoolFlag{Name: "background", Usage: "leave the caller's cgroups", Hidden: true},
		cli.IntFlag{Name: "ready-fd", Value: -1, Usage: "write to this descriptor once clients can connect", Hidden: true},
	},
	Action: func(c *cli.Context) error {
		host, _, err := factoryHost(c)
		if err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		if c.Bool("background") {
			if err := resources.LeaveCgroups(); err != nil {
				envOf(c).Log.Debug("the server stays in a cgroup of its caller", "error", err)
			}
		}
		heap.Bound()
		return host.ServeCache(ctx, func() { tellReady(c.Int("ready-fd")) })
	},
}

// tellReady writes to a descriptor that whoever started us may have given.
func tellReady(fd int) {
	if fd < 0 {
		return
	}
	f := os.NewFile(uintptr(fd), "ready-fd")
	f.Write([]byte("\n")) // whoever waits sees its end, too
	f.Close()
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
