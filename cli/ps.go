package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var psCommand = cli.Command{
	Name:      "ps",
	Usage:     "ps displays the processes running inside a container",
	ArgsUsage: "<container-id>",
	Description: `As a table: the processes of the guest, with their pids there. As JSON: pids
   of the host, those of the shims that stand for the container's process and
   for each exec, which is what engines ask for.`,
	Flags: []cli.Flag{
		cli.StringFlag{Name: "format, f", Value: "table", Usage: "select one of: table or json"},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, atLeast); err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		id := c.Args().First()
		switch format := c.String("format"); format {
		case "json":
			pids, err := host.ShimPIDs(id)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(pids)
		case "table":
			return printProcesses(host, id)
		default:
			return fmt.Errorf("invalid format option %q: use table or json", format)
		}
	},
}

func printProcesses(host *sandbox.Host, id string) error {
	ctx, stop := interruptible()
	defer stop()
	processes, err := host.Processes(ctx, id)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 1, 1, 2, ' ', 0)
	fmt.Fprint(w, "UID\tPID\tPPID\tTTY\tTIME\tCMD\n")
	for _, p := range processes {
		used := time.Duration(p.CpuNs).Truncate(time.Second)
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%02d:%02d:%02d\t%s\n", p.Uid, p.Pid, p.Ppid, printable(p.Tty),
			int(used.Hours()), int(used.Minutes())%60, int(used.Seconds())%60, printable(p.Command))
	}
	return w.Flush()
}

// printable drops what could steer the terminal: the guest chose these bytes.
func printable(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			out[i] = '?'
		}
	}
	return string(out)
}
