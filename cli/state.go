package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

// containerState is what state and list print: runc's keys in runc's order.
type containerState struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	PID         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Owner is the user's name in list, and always empty in state.
	Owner string `json:"owner"`
}

func stateOf(info *sandbox.Info) containerState {
	pid := info.PID
	if info.Status == container.Stopped {
		pid = 0
	}
	return containerState{
		Version: specs.Version, ID: info.ID, PID: pid, Status: string(info.Status),
		Bundle: info.Bundle, Rootfs: info.Rootfs, Created: info.Created,
		Annotations: info.Annotations, Owner: ownerName(info.Owner),
	}
}

var stateCommand = cli.Command{
	Name:        "state",
	Usage:       "output the state of a container",
	ArgsUsage:   "<container-id>",
	Description: `Prints the container's state as JSON. The pid is that of the shim, which stands for the process in the guest.`,
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		info, err := host.Status(c.Args().First())
		if err != nil {
			return err
		}
		state := stateOf(info)
		state.Owner = ""
		out, err := json.MarshalIndent(state, "", "  ")
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(append(out, '\n'))
		return err
	},
}
