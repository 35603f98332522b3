package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var eventsCommand = cli.Command{
	Name:        "events",
	Usage:       "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
	ArgsUsage:   "<container-id>",
	Description: `Prints the container's statistics as the guest measures them, once with --stats, else every --interval until it stops.`,
	Flags: []cli.Flag{
		cli.DurationFlag{Name: "interval", Value: 5 * time.Second, Usage: "set the stats collection interval"},
		cli.BoolFlag{Name: "stats", Usage: "display the container's stats then exit"},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		if c.Duration("interval") <= 0 {
			return errors.New("duration interval must be greater than 0")
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		if c.Bool("stats") {
			return printStats(ctx, host, c.Args().First())
		}
		return watchStats(ctx, host, c.Args().First(), c.Duration("interval"))
	},
}

// watchStats prints until the container stops or the user interrupts.
func watchStats(ctx context.Context, host *sandbox.Host, id string, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := printStats(ctx, host, id)
		if errors.Is(err, container.ErrState) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func printStats(ctx context.Context, host *sandbox.Host, id string) error {
	stats, err := host.Stats(ctx, id)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(statsEvent(id, stats)); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// statsEvent has the form of runc's events (types/events.go): the keys that
// readers of it look for, with the guest's values.
func statsEvent(id string, s *agentpb.StatsReply) any {
	type object = map[string]any
	data := object{}
	if cpu := s.Cpu; cpu != nil {
		data["cpu"] = object{
			"usage":      object{"total": cpu.UsageNs, "kernel": cpu.SystemNs, "user": cpu.UserNs},
			"throttling": object{"periods": cpu.Periods, "throttledPeriods": cpu.ThrottledPeriods, "throttledTime": cpu.ThrottledNs},
		}
	}
	if m := s.Memory; m != nil {
		data["memory"] = object{
			"cache":  m.Cache,
			"usage":  object{"limit": m.Limit, "usage": m.Usage, "max": m.MaxUsage, "failcnt": m.FailCount},
			"swap":   object{"limit": m.SwapLimit, "usage": m.SwapUsage, "failcnt": 0},
			"kernel": object{"usage": m.KernelUsage, "failcnt": 0},
			"raw":    m.Raw,
		}
	}
	if p := s.Pids; p != nil {
		data["pids"] = object{"current": p.Current, "limit": p.Limit}
	}
	data["blkio"] = blockIO(s.BlockIo)
	var interfaces []object
	for _, n := range s.Network {
		interfaces = append(interfaces, object{
			"Name": n.Name, "RxBytes": n.RxBytes, "RxPackets": n.RxPackets, "RxErrors": n.RxErrors, "RxDropped": n.RxDropped,
			"TxBytes": n.TxBytes, "TxPackets": n.TxPackets, "TxErrors": n.TxErrors, "TxDropped": n.TxDropped,
		})
	}
	data["network_interfaces"] = interfaces
	pages := object{}
	for _, h := range s.Hugepages {
		pages[h.PageSize] = object{"usage": h.Usage, "max": h.MaxUsage, "failcnt": h.FailCount}
	}
	data["hugetlb"] = pages
	return object{"type": "stats", "id": id, "data": data}
}

func blockIO(devices []*agentpb.BlockIOStats) any {
	type entry struct {
		Major uint64 `json:"major"`
		Minor uint64 `json:"minor"`
		Op    string `json:"op"`
		Value uint64 `json:"value"`
	}
	var bytes, operations []entry
	for _, d := range devices {
		bytes = append(bytes, entry{d.Major, d.Minor, "Read", d.ReadBytes}, entry{d.Major, d.Minor, "Write", d.WriteBytes})
		operations = append(operations, entry{d.Major, d.Minor, "Read", d.Reads}, entry{d.Major, d.Minor, "Write", d.Writes})
	}
	return map[string][]entry{"ioServiceBytesRecursive": bytes, "ioServicedRecursive": operations}
}
