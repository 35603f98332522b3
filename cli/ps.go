package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var psCommand = cli.Command{
	Name:      "ps",
	Usage:     "ps displays the processes running inside a container",
	ArgsUsage: "<container-id> [ps options]",
	Description: `As a table: the processes of the guest, with their pids there. With options
   of ps(1), what the host's ps shows with them of the shims that stand for the
   container's process and for each exec. As JSON: the pids of those shims,
   which is what engines ask for.`,
	Flags: []cli.Flag{
		cli.StringFlag{Name: "format, f", Value: "table", Usage: "select one of: table or json"},
	},
	// What follows the id is for ps(1).
	SkipArgReorder: true,
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, atLeast); err != nil {
			return err
		}
		format := c.String("format")
		if format != "table" && format != "json" {
			return fmt.Errorf("invalid format option %q: use table or json", format)
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		id, options := c.Args().First(), c.Args().Tail()
		if format == "table" && len(options) == 0 {
			return printProcesses(host, id)
		}
		pids, err := host.ShimPIDs(id)
		if err != nil {
			return err
		}
		if format == "json" {
			return json.NewEncoder(os.Stdout).Encode(pids)
		}
		return printHostProcesses(os.Stdout, pids, options)
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
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%02d:%02d:%02d\t%s\n", p.Uid, p.Pid, p.Ppid, wire.OneLine(p.Tty),
			int(used.Hours()), int(used.Minutes())%60, int(used.Seconds())%60, wire.OneLine(p.Command))
	}
	return w.Flush()
}

// printHostProcesses prints the header of ps with these options, and its lines
// for these pids.
func printHostProcesses(w io.Writer, pids []int, options []string) error {
	out, err := exec.Command("ps", options...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ps %s: %w: %s", strings.Join(options, " "), err, strings.Join(strings.Fields(string(out)), " "))
	}
	header, rows, _ := strings.Cut(string(out), "\n")
	column := slices.Index(strings.Fields(header), "PID")
	if column < 0 {
		return errors.New("ps: its output has no column PID: ask for one, as -o pid,args does")
	}
	fmt.Fprintln(w, header)
	for row := range strings.Lines(rows) {
		fields := strings.Fields(row)
		if column >= len(fields) {
			continue
		}
		pid, err := strconv.Atoi(fields[column])
		if err != nil {
			return fmt.Errorf("ps: %q is no pid: ask for a column PID before those with blanks in them", fields[column])
		}
		if slices.Contains(pids, pid) {
			fmt.Fprint(w, row)
		}
	}
	return nil
}
