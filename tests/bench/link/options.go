package link

import (
	"context"

	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
)

// optionShare: what is compared here differs by much, so a part of the data shows
// it.
const optionShare = 4

// nic is a way to make a NIC on a tap.
type nic struct {
	name string
	// options of QEMU's device, each with a comma in front.
	options string
	// queues: 0 is one. cpus: 0 is as many as the sandbox has.
	queues, cpus int
}

// nics begin with the runtime's choice.
var nics = []nic{
	{name: "as the runtime has it"},
	{name: "no offloads", options: ",csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off"},
	{name: "mrg_rxbuf=off", options: ",mrg_rxbuf=off"},
	{name: "rx_queue_size=1024", options: ",rx_queue_size=1024"},
	{name: "two CPUs", cpus: 2},
	{name: "two CPUs, two queues", queues: 2, cpus: 2},
}

func (n nic) who() string { return "tap, " + n.name }

// optionJobs measure each way in a bare guest on a plain tap.
func (p *Part) optionJobs() []turn.Job {
	var jobs []turn.Job
	for _, n := range nics {
		jobs = append(jobs, turn.Job{Name: "TCP, " + n.who(), Do: func(ctx context.Context, _ int) error {
			return p.plain(ctx, n.who(), p.bytes/optionShare, n)
		}})
	}
	return jobs
}

func optionTable(s *series.Set) report.Table {
	t := report.Table{
		Title: "Options of a tap, in a bare guest", Head: append([]string{"options"}, heads...),
		Note: "Medians (min–max), with a quarter of the data above.",
	}
	for _, n := range nics {
		addRow(&t, s, n.name, n.who())
	}
	return t
}
