// Package link measures TCP: a container's connection by way of an interface
// in its network namespace, beside the same guest on a plain tap and beside runc.
package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/work"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
)

// Addresses; the namespaces are ours alone.
const (
	port      = "5001"
	hostVeth  = "10.99.1.1/24"
	inside    = "10.99.1.2"
	hostTap   = "10.99.2.1/24"
	insideTap = "10.99.2.2"
	tapMAC    = "02:00:00:00:00:02"
)

// Part is the group "net".
type Part struct {
	lab *lab.Lab
	// client is where the client is, server the container's namespace.
	client, server *network.Namespace
	kata, runc     *peer.Peer
	bundle         string
	worker         *floor.Worker
	bytes          int64
	echoes         int
}

// Name, What: see lab.Part.
func (*Part) Name() string { return "net" }
func (*Part) What() string { return "TCP streams and latency, beside a bare guest on a plain tap" }

// Prepare makes the namespaces.
func (p *Part) Prepare(ctx context.Context, l *lab.Lab) (err error) {
	p.lab, p.bytes, p.echoes = l, 256<<20, 1000
	if l.Few {
		p.bytes, p.echoes = 8<<20, 20
	}
	dir := filepath.Join(l.Dir, "net")
	program, err := work.Compile(ctx, dir)
	if err != nil {
		return err
	}
	if err := p.namespaces(ctx, dir); err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(filepath.Join(l.Maker().Rootfs(), "bin/serve"), data, 0o755)
	}
	if err != nil {
		return err
	}
	p.bundle, err = l.Maker().MakeWith("net", func(s *specs.Spec) {
		s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace })
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: p.server.Path()})
	}, "/bin/serve", "serve", port)
	if err != nil {
		return err
	}
	p.kata = l.Guests[0].Peer
	if p.runc, err = l.NewHost(ctx, report.Runc); err != nil {
		l.LeaveOut(report.Runc+" in net", err)
		p.runc = nil
	}
	p.worker, err = floor.NewWorker(l.Guests[0].Machine, program, dir)
	return err
}

func (p *Part) namespaces(ctx context.Context, dir string) error {
	for name, ns := range map[string]**network.Namespace{"client": &p.client, "server": &p.server} {
		made, err := network.NewNamespace(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		p.lab.AtEnd(func(context.Context) error { return made.Remove() })
		*ns = made
	}
	return errors.Join(
		p.ip(ctx, p.client, "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", p.server.Path()),
		p.ip(ctx, p.client, "addr", "add", hostVeth, "dev", "veth0"),
		p.ip(ctx, p.client, "link", "set", "veth0", "up"),
		p.ip(ctx, p.server, "addr", "add", inside+"/24", "dev", "eth0"),
		p.ip(ctx, p.server, "link", "set", "lo", "up"),
		p.ip(ctx, p.server, "link", "set", "eth0", "up"),
	)
}

// ip calls ip(8) in a namespace.
func (p *Part) ip(ctx context.Context, ns *network.Namespace, args ...string) error {
	return ns.Do(func() error {
		if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
		return nil
	})
}

// bareName names the samples of the guest on a plain tap, tcName those of the
// one behind the runtime's redirections.
const (
	bareName = "bare guest, tap"
	tcName   = "bare guest, tap and tc"
)

// Jobs: see lab.Part.
func (p *Part) Jobs() []turn.Job {
	jobs := []turn.Job{
		{Name: "TCP, " + bareName, Do: func(ctx context.Context, _ int) error { return p.plain(ctx, bareName, p.bytes, nic{}) }},
		{Name: "TCP, " + tcName, Do: p.redirected},
	}
	for _, who := range []*peer.Peer{p.kata, p.runc} {
		if who != nil {
			jobs = append(jobs, turn.Job{Name: "TCP, " + who.Name, Do: p.container(who)})
		}
	}
	return append(jobs, p.optionJobs()...)
}

func (p *Part) container(who *peer.Peer) func(context.Context, int) error {
	return func(ctx context.Context, round int) error {
		f, err := who.Foreground(ctx, p.bundle, who.ID("net", round))
		if err != nil {
			return err
		}
		if err := p.talk(ctx, who.Name, inside, f.Out, p.bytes); err != nil {
			return errors.Join(err, f.Stop())
		}
		return f.Wait()
	}
}

// redirected measures the bare guest behind the interface of the container's
// namespace, as the runtime ties a sandbox to it: what tc costs, without the rest.
func (p *Part) redirected(ctx context.Context, _ int) (err error) {
	tap, err := network.CreateTap(p.server, "tap0", network.Queues{Count: 1})
	if err != nil {
		return err
	}
	defer tap.Close()
	all, err := network.Scan(p.server, tap.NIC)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(i network.Interface) bool { return i.Name == "eth0" })
	if i < 0 {
		return errors.New("eth0 is not there")
	}
	pair, err := network.Connect(p.server, all[i], tap.NIC)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, network.Disconnect(p.server, pair)) }()
	return p.guest(ctx, tcName, inside, p.bytes, floor.NIC(tap.Queues, all[i].MAC, ""))
}

// plain measures the bare guest on a tap that has the client's address itself.
func (p *Part) plain(ctx context.Context, name string, bytes int64, n nic) error {
	// It ends with QEMU.
	tap, err := network.CreateTap(p.client, "tap0", network.Queues{Count: n.queues})
	if err != nil {
		return err
	}
	defer tap.Close()
	err = errors.Join(p.ip(ctx, p.client, "addr", "add", hostTap, "dev", "tap0"), p.ip(ctx, p.client, "link", "set", "tap0", "up"))
	if err != nil {
		return err
	}
	devices := []floor.Device{floor.NIC(tap.Queues, tapMAC, n.options)}
	if n.cpus > 0 {
		devices = append(devices, floor.CPUs(n.cpus))
	}
	return p.guest(ctx, name, insideTap, bytes, devices...)
}

// guest measures with a bare guest.
func (p *Part) guest(ctx context.Context, name, address string, bytes int64, devices ...floor.Device) error {
	r, err := p.worker.Start(ctx, floor.Task{Args: []string{"serve", port}, Address: address, Devices: devices})
	if err != nil {
		return err
	}
	if err := p.talk(ctx, name, address, r.Out, bytes); err != nil {
		r.Kill()
		return fmt.Errorf("%s: %w", name, err)
	}
	return r.Wait()
}

// talk measures with a program that serves at address, and ends it.
func (p *Part) talk(ctx context.Context, name, address string, printed io.Reader, bytes int64) error {
	if err := work.Ready(printed); err != nil {
		return err
	}
	c := work.Client{Dial: func(ctx context.Context) (conn net.Conn, err error) {
		err = p.client.Do(func() error {
			conn, err = new(net.Dialer).DialContext(ctx, "tcp4", net.JoinHostPort(address, port))
			return err
		})
		return conn, err
	}}
	if err := c.Sample(ctx, p.lab.Samples, name, bytes, p.echoes); err != nil {
		return err
	}
	if err := c.Quit(ctx); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, printed)
	return err
}

// Show: see lab.Part.
func (p *Part) Show(s *series.Set) ([]report.Target, []report.Table, []report.Plot) {
	kata := report.Tuned
	if _, there := s.Of(kata, work.TCPIn); !there {
		kata = report.Debian
	}
	var targets []report.Target
	for _, who := range []struct{ name, what string }{
		{tcName, "a bare guest over tap and tc, of the same guest's on a plain tap"},
		{kata, "a container over tap and tc, of a bare guest's on a plain tap"},
	} {
		for _, m := range []struct{ measure, what string }{{work.TCPIn, "into"}, {work.TCPOut, "out of"}} {
			t := report.OfRatio(s, "TCP stream "+m.what+" "+who.what,
				series.Key{Peer: who.name, Measure: m.measure}, series.Key{Peer: bareName, Measure: m.measure}, 0.95, report.Share)
			t.AtLeast = true
			targets = append(targets, t)
		}
	}
	return targets, []report.Table{table(s, kata), optionTable(s)}, nil
}

func table(s *series.Set, kata string) report.Table {
	t := report.Table{
		Title: "TCP", Head: append([]string{"who"}, heads...),
		Note: "The container's interface is one end of a veth pair, the client at the other; the bare guest's tap has the client's address itself, or is tied to the container's interface as a sandbox's is.",
	}
	for _, who := range []string{kata, bareName, tcName, report.Runc} {
		addRow(&t, s, who, who)
	}
	return t
}

var heads = []string{"into it, MiB/s", "out of it, MiB/s", "a byte there and back, ms"}

// addRow adds what was measured of who; nothing if nothing was.
func addRow(t *report.Table, s *series.Set, label, who string) {
	if _, there := s.Of(who, work.TCPIn); there {
		t.Add(label, report.Cell(s, who, work.TCPIn, report.Rate), report.Cell(s, who, work.TCPOut, report.Rate), report.Cell(s, who, work.TCPEcho, report.MS))
	}
}
