package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/config"
)

var envCommand = cli.Command{
	Name:      "kata-env",
	Aliases:   []string{"env"},
	Usage:     "show versions, host, settings and guest files, for a report",
	ArgsUsage: " ",
	Description: `Show the runtime's version and configuration, the host, and each program and
   file that a sandbox is made of, with its version or the manifest that its
   build left beside it. The form is TOML, or JSON.

   With --config-origin show each setting in force with the file and line that
   set it instead.`,
	Flags: []cli.Flag{
		cli.BoolFlag{Name: "json", Usage: "print JSON"},
		cli.BoolFlag{Name: "config-origin", Usage: "show where each setting comes from"},
	},
	Action: func(ctx *cli.Context) error {
		if err := wantArgs(ctx, 0); err != nil {
			return err
		}
		c, origins, err := config.Load(envOf(ctx).configPath)
		if err != nil {
			return err
		}
		if ctx.Bool("config-origin") {
			return printOrigins(ctx.App.Writer, origins.Settings(c), ctx.Bool("json"))
		}
		report := describe(context.Background(), c, origins, ctx.GlobalBool("debug"))
		if ctx.Bool("json") {
			return printJSON(ctx.App.Writer, report)
		}
		e := toml.NewEncoder(ctx.App.Writer)
		e.Indent = ""
		return e.Encode(report)
	},
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printOrigins prints lines that are TOML themselves, the origin as a comment.
func printOrigins(w io.Writer, settings []config.Setting, asJSON bool) error {
	if asJSON {
		type line struct {
			Key   string `json:"key"`
			Value any    `json:"value"`
			// File is empty for a default.
			File string `json:"file,omitempty"`
			Line int    `json:"line,omitempty"`
		}
		lines := []line{}
		for _, s := range settings {
			lines = append(lines, line{s.Key.Name, s.Value, s.Origin.File, s.Origin.Line})
		}
		return printJSON(w, lines)
	}
	width := 0
	texts := make([]string, len(settings))
	for i, s := range settings {
		texts[i] = s.Key.Name + " = " + config.Literal(s.Value)
		width = max(width, len(texts[i]))
	}
	for i, s := range settings {
		if _, err := fmt.Fprintf(w, "%-*s  # %s\n", width, texts[i], s.Origin); err != nil {
			return err
		}
	}
	return nil
}
