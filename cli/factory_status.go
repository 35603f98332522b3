package main

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/factory/cache"
)

var factoryStatusCommand = cli.Command{
	Name:      "status",
	Usage:     "show the templates and the cache of VMs",
	ArgsUsage: " ",
	Flags: []cli.Flag{
		cli.BoolFlag{Name: "json", Usage: "print JSON"},
		cli.BoolFlag{Name: "wait", Usage: "wait until the cache is filled, or cannot be"},
	},
	Action: func(c *cli.Context) error {
		host, settings, err := factoryHost(c)
		if err != nil {
			return err
		}
		templates, err := host.Templates()
		if err != nil {
			return err
		}
		status := factoryStatus{On: "off", Folder: templates.Path, Templates: []templateStatus{}}
		for _, l := range templates.All {
			status.Templates = append(status.Templates, newTemplateStatus(l))
			if settings.Enabled() && l.Err == nil {
				status.On = "on"
			}
		}
		folder, kept, err := host.KeptTranslations()
		if err != nil {
			return err
		}
		if settings.KeepTranslations || len(kept) > 0 {
			status.Kept = &keptStatus{Folder: folder, Used: settings.KeepTranslations, Files: kept}
		}
		if status.Kept != nil && settings.KeepTranslations && len(kept) > 0 {
			status.On = "on"
		}
		ctx, stop := interruptible()
		defer stop()
		served, err := host.CacheStatus(ctx, c.Bool("wait"))
		if err != nil {
			return err
		}
		if settings.VMCacheNumber > 0 || served != nil {
			status.Cache = &cacheStatus{Endpoint: settings.Endpoint(), Served: served != nil}
		}
		if served != nil {
			status.On, status.Cache.Status = "on", served
		}
		if c.Bool("json") {
			return printJSON(c.App.Writer, status)
		}
		return status.print(c.App.Writer)
	},
}

// factoryStatus is what status prints.
type factoryStatus struct {
	// On is "on" if there is a template to be used, a server of ready VMs, or
	// translations to be used.
	On        string           `json:"factory"`
	Folder    string           `json:"folder"`
	Templates []templateStatus `json:"templates"`
	Cache     *cacheStatus     `json:"cache,omitempty"`
	Kept      *keptStatus      `json:"translations,omitempty"`
}

// keptStatus is what is kept of QEMU's translations.
type keptStatus struct {
	Folder string         `json:"folder"`
	Used   bool           `json:"used"`
	Files  []factory.Kept `json:"files"`
}

type templateStatus struct {
	Key         string    `json:"key"`
	Made        time.Time `json:"made,omitzero"`
	Machine     string    `json:"machine,omitempty"`
	Accelerator string    `json:"accelerator,omitempty"`
	VCPUs       uint32    `json:"vcpus,omitempty"`
	MemoryMiB   uint64    `json:"memory_mib,omitempty"`
	// Unused is why it is not used; empty if it can be.
	Unused string `json:"unused,omitempty"`
}

type cacheStatus struct {
	Endpoint string `json:"endpoint"`
	Served   bool   `json:"served"`
	*cache.Status
}

func newTemplateStatus(l factory.Listed) templateStatus {
	t := templateStatus{Key: l.Key}
	if i := l.Info; i != nil {
		t.Made, t.Machine, t.Accelerator, t.VCPUs, t.MemoryMiB = i.Created, i.Machine, i.Accelerator, i.VCPUs, i.MemoryMiB
	}
	if l.Err != nil {
		t.Unused = l.Err.Error()
	}
	return t
}

// print begins with the line of Kata 1.x.
func (s *factoryStatus) print(w io.Writer) error {
	text := fmt.Sprintf("vm factory is %s\nfolder %s\n", s.On, s.Folder)
	for _, t := range s.Templates {
		text += "template " + t.Key
		if !t.Made.IsZero() {
			text += fmt.Sprintf(" made %s: %s, %s, %d CPU, %d MiB", t.Made.Format(time.RFC3339), t.Machine, t.Accelerator, t.VCPUs, t.MemoryMiB)
		}
		if t.Unused != "" {
			text += ", not used: " + t.Unused
		}
		text += "\n"
	}
	if c := s.Cache; c != nil {
		text += "cache " + c.Endpoint
		switch {
		case c.Status == nil:
			text += ": not served"
		default:
			text += fmt.Sprintf(": %d of %d VMs ready, %d booting, %d handed out, server %d", c.Ready, c.Wanted, c.Booting, c.Handed, c.PID)
			if c.Failed != "" {
				text += ", failed: " + c.Failed
			}
		}
		text += "\n"
	}
	if k := s.Kept; k != nil {
		text += "translations in " + k.Folder
		if !k.Used {
			text += ", not used: keep_translations is false"
		}
		text += "\n"
		for _, f := range k.Files {
			text += fmt.Sprintf("translations %s made %s, %.1f MB\n", f.Key, f.Made.UTC().Format(time.RFC3339), float64(f.Bytes)/1e6)
		}
	}
	_, err := io.WriteString(w, text)
	return err
}
