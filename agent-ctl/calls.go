package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// shape is how a command's arguments make its request.
type shape int

const (
	nothing   shape = iota
	container       // CONTAINER
	process         // CONTAINER [EXEC]
	document        // the request as JSON: FILE, or "-" for standard input
)

var usages = map[shape]string{
	nothing: " ", container: "CONTAINER", process: "CONTAINER [EXEC]", document: "FILE|-",
}

// command makes a command of one of the agent's calls. fill, if given, completes
// the request from the command's flags.
func command[Request, Reply any](name, usage string, shape shape, do func(*dial.Agent, context.Context, *Request) (*Reply, error), fill func(*cli.Context, *Request), flags ...cli.Flag) cli.Command {
	return cli.Command{
		Name: name, Usage: usage, ArgsUsage: usages[shape], Flags: flags,
		Action: func(c *cli.Context) error {
			request := new(Request)
			if err := arguments(c, shape, request); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if fill != nil {
				fill(c, request)
			}
			ctx, agent, done, err := connect(c)
			if err != nil {
				return err
			}
			defer done()
			reply, err := do(agent, ctx, request)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return show(c.App.Writer, reply)
		},
	}
}

// arguments fills a request from a command's arguments. The messages' JSON
// names are their fields' names in the protocol.
func arguments(c *cli.Context, shape shape, request any) error {
	low, high := 1, 1
	switch shape {
	case nothing:
		low, high = 0, 0
	case process:
		high = 2
	}
	if c.NArg() < low || c.NArg() > high {
		return fmt.Errorf("takes the arguments %q, got %d", usages[shape], c.NArg())
	}
	switch shape {
	case container, process:
		ids := map[string]string{"container_id": c.Args().Get(0)}
		if shape == process && c.NArg() == 2 {
			ids["exec_id"] = c.Args().Get(1)
		}
		for _, id := range ids {
			if err := wire.ValidID(id); err != nil {
				return err
			}
		}
		data, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		return decode(data, request)
	case document:
		data, err := read(c.Args().First())
		if err != nil {
			return err
		}
		return decode(data, request)
	}
	return nil
}

func read(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, call.MaxMessage))
	}
	return os.ReadFile(name)
}

// decode refuses names that the request does not have.
func decode(data []byte, request any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(request); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	return nil
}

func show(w io.Writer, reply any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(reply)
}

// empty is for calls whose request says nothing.
func empty[Reply any](name, usage string, do func(*dial.Agent, context.Context, *agentpb.Empty) (*Reply, error)) cli.Command {
	return command(name, usage, nothing, do, nil)
}
