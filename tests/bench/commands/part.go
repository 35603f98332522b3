// Package commands measures the commands of kata-runtime, cold and from a
// template, beside those of other runtimes and beside the floors; and what an
// idle sandbox holds.
package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/settings"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/variant"
)

// Part is the group "commands".
type Part struct {
	lab *lab.Lab
	// katas are the ways in which kata-runtime takes part, hosts the others.
	katas, hosts []*peer.Peer
	floors, lean []*bare
	keeping      []*bare
	saved        *floor.Saved
	sizes        []size
}

// bare is a floor with the name of its samples.
type bare struct {
	*floor.Floor
	name string
}

type size struct {
	name  string
	bytes int64
}

// Name, What: see lab.Part.
func (*Part) Name() string { return "commands" }
func (*Part) What() string {
	return "run, create, start, exec, kill, delete, cold and from a template, beside the floors; memory; phases"
}

// Prepare admits the runtimes and boots each floor once.
func (p *Part) Prepare(ctx context.Context, l *lab.Lab) error {
	p.lab = l
	for _, g := range l.Guests {
		p.katas = append(p.katas, g.Peer)
	}
	preferred := l.Guests[0]
	p.sizes = sizes(preferred.Env)
	for _, try := range []struct {
		name string
		do   func(context.Context, *lab.Guest) error
	}{
		{report.Template, p.template}, {report.Cache, p.cache}, {restoredName, p.restored},
	} {
		if err := try.do(ctx, preferred); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l.LeaveOut(try.name, err)
		}
	}
	for _, name := range []string{report.Runc, report.Crun, report.Runsc} {
		if err := p.host(ctx, name); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l.LeaveOut(name, err)
		}
	}
	for _, g := range l.Guests {
		if err := p.addFloors(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// floorName names the samples of a guest's floor, leanName those of the floor
// that boots as a sandbox does, restoredName those of the one that is restored.
func floorName(guest string) string { return "floor, " + guest }
func leanName(guest string) string {
	return floorName(guest) + ", with the sandbox's firmware and parameters"
}

// keptName names those of the floor whose QEMU keeps what it has translated.
func keptName(guest string) string { return leanName(guest) + " and kept translations" }

const restoredName = "floor, restored"

// addFloors boots a guest's floors once.
func (p *Part) addFloors(ctx context.Context, g *lab.Guest) error {
	try := func(name string, do func() error) error {
		lab.Say("%s: a first boot", name)
		if err := do(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.lab.LeaveOut(name, err)
		}
		return nil
	}
	plain := try(floorName(g.Name), func() error {
		f, err := p.booted(ctx, g.Machine, "floor-"+g.Short)
		if err != nil {
			return err
		}
		if _, err := f.Serial(ctx); err != nil {
			return err
		}
		p.floors = append(p.floors, &bare{f, floorName(g.Name)})
		return nil
	})
	if plain != nil {
		return plain
	}
	lean := try(leanName(g.Name), func() error {
		f, err := p.booted(ctx, g.Lean, "floor-lean-"+g.Short)
		if err == nil {
			p.lean = append(p.lean, &bare{f, leanName(g.Name)})
		}
		return err
	})
	if lean != nil || !g.Keeps {
		return lean
	}
	return try(keptName(g.Name), func() error {
		m := g.Lean
		m.Record = filepath.Join(p.lab.Dir, "floor-translations")
		if _, err := p.booted(ctx, m, "floor-record-"+g.Short); err != nil {
			return err
		}
		m.Keep, m.Record = m.Record, ""
		f, err := p.booted(ctx, m, "floor-kept-"+g.Short)
		if err == nil {
			p.keeping = append(p.keeping, &bare{f, keptName(g.Name)})
		}
		return err
	})
}

// booted makes a floor and boots it once.
func (p *Part) booted(ctx context.Context, m floor.Machine, folder string) (*floor.Floor, error) {
	f, err := p.lab.Floor(ctx, m, folder)
	if err != nil {
		return nil, err
	}
	_, err = f.Line(ctx)
	return f, err
}

func (p *Part) host(ctx context.Context, name string) error {
	h, err := p.lab.NewHost(ctx, name)
	if err != nil {
		return err
	}
	if _, err := p.lab.Admit(ctx, h, nil); err != nil {
		return errors.Join(err, h.Clean(context.WithoutCancel(ctx)))
	}
	p.hosts = append(p.hosts, h)
	return nil
}

// template admits kata-runtime with a template, which its first start makes.
func (p *Part) template(ctx context.Context, g *lab.Guest) error {
	return p.clones(ctx, report.Template, "template", g.With(variant.Settings{
		"factory.auto_template": true, "factory.template_path": filepath.Join(p.lab.Dir, "templates"),
	}))
}

// errNoCache is the answer of a kata-runtime that has no cache of VMs yet.
var errNoCache = errors.New("this kata-runtime has no setting factory.vm_cache_number")

// cache admits kata-runtime with VMs that wait, where it can that.
func (p *Part) cache(ctx context.Context, g *lab.Guest) error {
	if !slices.Contains(g.Env.Keys, "factory.vm_cache_number") {
		return errNoCache
	}
	return p.clones(ctx, report.Cache, "cache", g.With(variant.Settings{
		"factory.vm_cache_number": 2, "factory.auto_template": true, "factory.template_path": filepath.Join(p.lab.Dir, "cached-templates"),
		"factory.vm_cache_endpoint": filepath.Join(p.lab.Dir, "cache.sock"),
	}))
}

// clones admits a kata-runtime whose VMs go on from a saved one.
func (p *Part) clones(ctx context.Context, name, short string, s variant.Settings) error {
	k, err := p.lab.NewKata(name, short, s)
	if err != nil {
		return err
	}
	p.lab.AtEnd(func(ctx context.Context) error {
		_, err := k.Run(ctx, "factory", "destroy")
		return err
	})
	if short == "cache" {
		if _, err := k.Run(ctx, "factory", "init"); err != nil {
			return err
		}
	}
	if _, err := p.lab.Admit(ctx, k, nil); err != nil {
		return err
	}
	// The second one finds what the first one made.
	_, err = p.lab.Admit(ctx, k, func(id string) error {
		args, err := lab.QEMUArguments(k, id)
		if err == nil && !slices.Contains(args, "-incoming") {
			err = fmt.Errorf("its VM was booted, not restored: see the warning of %s run", k.Binary)
		}
		return err
	})
	if err != nil {
		return err
	}
	p.katas = append(p.katas, k)
	return nil
}

// restored saves the bare guest and lets it answer once.
func (p *Part) restored(ctx context.Context, g *lab.Guest) error {
	lab.Say("%s: a first time", restoredName)
	f, err := p.lab.Floor(ctx, g.Machine, "floor-restored")
	if err != nil {
		return err
	}
	dir, err := p.lab.Tmpfs("floor-saved")
	if err != nil {
		return err
	}
	saved, err := f.Save(ctx, dir)
	if err != nil {
		return err
	}
	c, err := saved.Restore(ctx)
	if err != nil {
		return err
	}
	p.saved = saved
	return c.End()
}

// sizes lists the files that a sandbox is made of.
func sizes(e *settings.Env) []size {
	var list []size
	for _, f := range []struct{ name, path string }{
		{"kata-runtime", e.Runtime.Path}, {"kata-shim", e.Shim.Path}, {"kata-proxy", e.Proxy.Path},
		{"containerd-shim-kata-v2", filepath.Join(filepath.Dir(e.Runtime.Path), "containerd-shim-kata-v2")},
		{"guest kernel", e.Kernel.Path}, {"guest initrd", e.Initrd.Path},
		{"guest image (erofs, in the initrd's place)", filepath.Join(filepath.Dir(e.Initrd.Path), "rootfs.img")},
	} {
		if info, err := os.Stat(f.path); err == nil {
			list = append(list, size{f.name, info.Size()})
		}
	}
	if n, err := floor.AgentSize(e.Initrd.Path); err == nil {
		list = append(list, size{"kata-agent (in the initrd)", n})
	}
	return list
}

// Jobs are a round of everything.
func (p *Part) Jobs() []turn.Job {
	var jobs []turn.Job
	for _, f := range append(slices.Clone(p.lean), p.keeping...) {
		jobs = append(jobs, turn.Job{Name: f.name, Do: p.floorLine(f)})
	}
	for _, f := range p.floors {
		jobs = append(jobs, turn.Job{Name: f.name, Do: p.floorLine(f)}, turn.Job{Name: f.name + ", serial port", Do: p.floorSerial(f)})
	}
	if p.saved != nil {
		jobs = append(jobs, turn.Job{Name: restoredName, Do: p.restore}, turn.Job{Name: restoredName + ", two", Do: p.restoreTwo})
	}
	all := append(slices.Clone(p.katas), p.hosts...)
	for _, what := range []struct {
		name string
		do   func(*peer.Peer) func(context.Context, int) error
	}{
		{"run", p.once}, {"life", p.life}, {"delete --force", p.force},
	} {
		for _, who := range all {
			jobs = append(jobs, turn.Job{Name: who.Name + ", " + what.name, Do: filled(who, what.do(who))})
		}
	}
	for _, k := range p.katas {
		jobs = append(jobs, turn.Job{Name: k.Name + ", phases", Do: filled(k, p.phases(k))})
		if k.Name == report.Template {
			jobs = append(jobs, turn.Job{Name: k.Name + ", two", Do: p.two(k)})
		}
	}
	return jobs
}

// filled has a cache filled again before anything else is measured: that is
// work in the background, and the next one would take a VM that is not there.
func filled(who *peer.Peer, do func(context.Context, int) error) func(context.Context, int) error {
	if who.Name != report.Cache {
		return do
	}
	return func(ctx context.Context, round int) error {
		if err := do(ctx, round); err != nil {
			return err
		}
		_, err := who.Run(ctx, "factory", "init")
		return err
	}
}

// idle measures an idle sandbox's memory between the verbs of its life.
func (p *Part) idle(ctx context.Context, who *peer.Peer) func(string) error {
	if !slices.Contains(p.katas, who) {
		return nil
	}
	return func(id string) error { return footprint.Sample(ctx, p.lab.Samples, who, id) }
}
