package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/docker/go-units"
	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/virtcontainers/volume"
)

var (
	volumePathFlag = cli.StringFlag{Name: "volume-path", Usage: "the volume: the path that containers mount it from"}
	mountInfoFlag  = cli.StringFlag{Name: "mount-info", Usage: "what to mount and how, as JSON"}
	sizeFlag       = cli.StringFlag{Name: "size", Usage: "the file system's new size in bytes, or with a unit (8Gi)"}
)

var volumeCommand = cli.Command{
	Name:  "direct-volume",
	Usage: "manage volumes that a VM mounts and the host does not",
	Subcommands: []cli.Command{
		volumeVerb("add", "assign a block device to a volume path", mountInfoFlag, func(c *cli.Context, path string) error {
			info, err := volume.Parse([]byte(c.String("mount-info")))
			if err != nil {
				return err
			}
			return volume.Open(volume.Root).Add(path, info)
		}),
		volumeVerb("remove", "forget the assignment of a volume path", nil, func(_ *cli.Context, path string) error {
			return volume.Open(volume.Root).Remove(path)
		}),
		volumeVerb("stats", "print the space of a volume in a running VM", nil, func(c *cli.Context, path string) error {
			host, err := envOf(c).host()
			if err != nil {
				return err
			}
			ctx, stop := interruptible()
			defer stop()
			reply, err := host.VolumeStats(ctx, path)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(volumeStats(reply))
		}),
		volumeVerb("resize", "grow the file system of a volume in a running VM", sizeFlag, func(c *cli.Context, path string) error {
			text := c.String("size")
			if strings.HasSuffix(text, "i") {
				text += "B" // Kubernetes writes 8Gi, go-units knows 8GiB
			}
			size, err := units.RAMInBytes(text)
			if err != nil || size <= 0 {
				return fmt.Errorf("--size %q is no size: give bytes, or a number with a unit such as 8Gi", c.String("size"))
			}
			host, err := envOf(c).host()
			if err != nil {
				return err
			}
			ctx, stop := interruptible()
			defer stop()
			return host.ResizeVolume(ctx, path, uint64(size))
		}),
	},
}

// volumeVerb makes a verb on one volume, with one further flag or none.
func volumeVerb(name, usage string, more cli.Flag, do func(c *cli.Context, path string) error) cli.Command {
	flags := []cli.Flag{volumePathFlag}
	if more != nil {
		flags = append(flags, more)
	}
	return cli.Command{Name: name, Usage: usage, ArgsUsage: " ", Flags: flags, Action: func(c *cli.Context) error {
		if err := wantArgs(c, 0); err != nil {
			return err
		}
		path := c.String("volume-path")
		if path == "" {
			return errors.New("direct-volume " + name + ": --volume-path is missing")
		}
		if err := do(c, path); err != nil {
			return fmt.Errorf("direct-volume %s: %w", name, err)
		}
		return nil
	}}
}

// volumeUsage is a use of a volume in the form of CSI's NodeGetVolumeStats, as
// Kata Containers 2 prints it. Unit is 1 for bytes, 2 for inodes.
type volumeUsage struct {
	Available uint64 `json:"available"`
	Total     uint64 `json:"total"`
	Used      uint64 `json:"used"`
	Unit      int    `json:"unit"`
}

func volumeStats(s *agentpb.StatVolumeReply) any {
	return map[string]any{
		"usage": []volumeUsage{
			{s.Available, s.Capacity, s.Used, 1},
			{s.InodesFree, s.Inodes, s.InodesUsed, 2},
		},
		"volume_condition": map[string]any{"abnormal": false, "message": ""},
	}
}
