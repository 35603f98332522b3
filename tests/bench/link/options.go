package link

import (
	"context"
	"errors"
	"fmt"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/work"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

// optionRounds and optionShare: what is compared here differs by much, so fewer
// rounds and a part of the data show it.
const (
	optionRounds = 3
	optionShare  = 4
)

// nic is a way to make a NIC on a tap.
type nic struct {
	name string
	// options of QEMU's device, each with a comma in front.
	options      string
	queues, cpus int
}

// nics begin with the runtime's choice.
var nics = []nic{
	{name: "as the runtime has it", queues: 1, cpus: 1},
	{name: "no offloads", queues: 1, cpus: 1, options: ",csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off"},
	{name: "mrg_rxbuf=off", queues: 1, cpus: 1, options: ",mrg_rxbuf=off"},
	{name: "rx_queue_size=1024", queues: 1, cpus: 1, options: ",rx_queue_size=1024"},
	{name: "two CPUs", queues: 1, cpus: 2},
	{name: "two CPUs, two queues", queues: 2, cpus: 2},
}

func (n nic) who() string { return "tap, " + n.name }

// optionJobs measure each way in a bare guest on a plain tap.
func (p *Part) optionJobs() []turn.Job {
	var jobs []turn.Job
	for _, n := range nics {
		jobs = append(jobs, turn.Job{Name: "TCP, " + n.who(), Rounds: optionRounds, Do: func(ctx context.Context, _ int) error {
			return p.option(ctx, n)
		}})
	}
	return jobs
}

func (p *Part) option(ctx context.Context, n nic) error {
	tap, err := network.CreateTap(p.client, "tap0", network.Queues{Count: n.queues})
	if err != nil {
		return err
	}
	defer tap.Close()
	err = errors.Join(p.ip(ctx, p.client, "addr", "add", hostTap, "dev", "tap0"), p.ip(ctx, p.client, "link", "set", "tap0", "up"))
	if err != nil {
		return err
	}
	return p.guest(ctx, n.who(), insideTap, p.bytes/optionShare, floor.NIC(tap.Queues, tapMAC, n.options), floor.CPUs(n.cpus))
}

func optionTable(s *series.Set) report.Table {
	t := report.Table{
		Title: "Options of a tap, in a bare guest", Head: []string{"options", "into it, MiB/s", "out of it, MiB/s", "a byte there and back, ms"},
		Note: fmt.Sprintf("Medians of %d (min–max), with a quarter of the data above.", optionRounds),
	}
	for _, n := range nics {
		if _, there := s.Of(n.who(), work.TCPIn); there {
			t.Add(n.name, report.Cell(s, n.who(), work.TCPIn, report.Rate), report.Cell(s, n.who(), work.TCPOut, report.Rate), report.Cell(s, n.who(), work.TCPEcho, report.MS))
		}
	}
	return t
}
