package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli"
)

var listCommand = cli.Command{
	Name:        "list",
	Usage:       "lists containers started by kata-runtime with the given root",
	Description: `The given root is specified via the global option "--root".`,
	Flags: []cli.Flag{
		cli.StringFlag{Name: "format, f", Value: "table", Usage: "select one of: table or json"},
		cli.BoolFlag{Name: "quiet, q", Usage: "display only container IDs"},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 0, exactly); err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		infos, err := host.List()
		if err != nil {
			return err
		}
		if c.Bool("quiet") {
			for _, info := range infos {
				fmt.Println(info.ID)
			}
			return nil
		}
		states := make([]containerState, 0, len(infos))
		for _, info := range infos {
			states = append(states, stateOf(info))
		}
		switch format := c.String("format"); format {
		case "table":
			return printTable(states)
		case "json":
			if len(states) == 0 {
				states = nil // runc prints "null"
			}
			return json.NewEncoder(os.Stdout).Encode(states)
		default:
			return fmt.Errorf("invalid format option %q: use table or json", format)
		}
	},
}

func printTable(states []containerState) error {
	w := tabwriter.NewWriter(os.Stdout, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, s := range states {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n",
			s.ID, s.PID, s.Status, s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner)
	}
	return w.Flush()
}

// ownerName is the user's name, or "#UID" if nobody has that uid.
func ownerName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("#%d", uid)
}
