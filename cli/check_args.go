package main

import (
	"fmt"

	"github.com/urfave/cli"
)

// wantArgs refuses another number of arguments than the verb takes.
func wantArgs(ctx *cli.Context, n int) error {
	if ctx.NArg() == n {
		return nil
	}
	if n == 0 {
		return fmt.Errorf("%s takes no arguments, but got %q", ctx.Command.Name, []string(ctx.Args()))
	}
	return fmt.Errorf("%s takes %d argument(s), but got %d", ctx.Command.Name, n, ctx.NArg())
}
