package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli"
	"golang.org/x/sys/unix"
)

var killCommand = cli.Command{
	Name:        "kill",
	Usage:       "sends the specified signal (default: SIGTERM) to the container's init process",
	ArgsUsage:   "<container-id> [signal]",
	Description: `The signal is a name, with or without SIG, or a number.`,
	Flags: []cli.Flag{
		cli.BoolFlag{Name: "all, a", Usage: "send the signal to all processes inside the container"},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, atLeast); err != nil {
			return err
		}
		if err := checkArgs(c, 2, atMost); err != nil {
			return err
		}
		name := c.Args().Get(1)
		if name == "" {
			name = "SIGTERM"
		}
		sig, err := parseSignal(name)
		if err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		return host.Kill(ctx, c.Args().First(), sig, c.Bool("all"))
	},
}

// parseSignal takes "SIGTERM", "term" or "15"; 0 only probes (kill(2)).
func parseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > 64 {
			return -1, fmt.Errorf("invalid signal %d: signals are 1 to 64", n)
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return -1, fmt.Errorf("unknown signal %q", s)
}
