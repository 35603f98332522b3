package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/tests/bench/bundle"
	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/settings"
)

// bench is one run.
type bench struct {
	o     *options
	dir   string
	peers []*peer.Peer
	kata  *peer.Peer // nil if it cannot run
	floor *floor.Floor
	// bundles are those that are timed.
	bundles peer.Bundles
	result  report.Result
}

// say tells the person who waits what goes on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// leaveOut notes that something is not measured.
func (b *bench) leaveOut(name string, err error) {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	say("left out: %s: %s", name, text)
	b.result.LeftOut = append(b.result.LeftOut, report.LeftOut{Name: name, Reason: text})
}

// prepare finds out who takes part: each peer proves that it can run a
// container before anything is measured, and is warm then.
func (b *bench) prepare(ctx context.Context) error {
	candidates := []struct {
		name, binary string
		args, env    []string
	}{
		{name: report.Kata, binary: b.o.kata},
		{name: report.Runc, binary: b.o.runc},
		{name: report.Crun, binary: b.o.crun},
		// gVisor's runsc goes here; it needs --platform and --network=none.
	}
	if b.o.config != "" {
		candidates[0].env = []string{"KATA_CONF_FILE=" + b.o.config}
	}
	var able []*peer.Peer
	for _, c := range candidates {
		path, err := find(c.binary)
		if err != nil {
			b.leaveOut(c.name, err)
			continue
		}
		p := &peer.Peer{Name: c.name, Binary: path, Args: c.args, Env: c.env, Root: filepath.Join(b.dir, "root-"+c.name), Dir: b.dir}
		p.HideUnified = c.name == report.Crun && peer.HasUnified()
		able = append(able, p)
	}
	if len(able) == 0 {
		return errors.New("there is no runtime to measure")
	}
	uname, err := b.makeBundles(ctx, able[0].Binary)
	if err != nil {
		return err
	}
	for _, p := range able {
		b.peers = append(b.peers, p) // from here on it may have something to clean
		if err := b.admit(ctx, p, uname); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := p.Clean(context.WithoutCancel(ctx)); err != nil {
				return err
			}
			b.leaveOut(p.Name, err)
			b.peers = b.peers[:len(b.peers)-1]
			continue
		}
		b.result.Peers = append(b.result.Peers, p.Name)
		b.result.Versions = append(b.result.Versions, report.Version{Name: p.Name, Text: p.Version(ctx)})
	}
	if err := b.prepareFloor(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.leaveOut("floor", err)
	}
	return nil
}

func (b *bench) makeBundles(ctx context.Context, runtime string) (uname string, err error) {
	dir := filepath.Join(b.dir, "bundles")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	m, err := bundle.New(ctx, dir, runtime)
	if err != nil {
		return "", err
	}
	if b.bundles.True, err = m.Make("true", "/bin/true"); err != nil {
		return "", err
	}
	if b.bundles.Sleep, err = m.Make("sleep", "/bin/sleep", "1000000"); err != nil {
		return "", err
	}
	return m.Make("uname", "/bin/uname", "-r")
}

// admit lets a peer prove itself: a container that says which kernel it runs
// on, and a whole life, none of which counts.
func (b *bench) admit(ctx context.Context, p *peer.Peer, uname string) error {
	say("%s: a first container", p.Name)
	kernel, err := p.Output(ctx, uname)
	if err != nil {
		return err
	}
	isVM, err := otherKernel(kernel)
	if err != nil {
		return err
	}
	if isVM != (p.Name == report.Kata) {
		return fmt.Errorf("its container runs on the kernel %q", kernel)
	}
	ignore := func(string, float64) {}
	if p.Name != report.Kata {
		return p.Life(ctx, -1, b.bundles, ignore, nil)
	}
	b.result.Versions = append(b.result.Versions, report.Version{Name: "guest kernel", Text: kernel})
	if err := p.Life(ctx, -1, b.bundles, ignore, b.look); err != nil {
		return err
	}
	b.kata = p
	return nil
}

// otherKernel tells whether a kernel's release is not the host's.
func otherKernel(release string) (bool, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false, err
	}
	if release == "" {
		return false, errors.New("its container printed nothing")
	}
	return release != unix.ByteSliceToString(u.Release[:]), nil
}

// look reads a running sandbox's QEMU: the floor is told the same clock.
func (b *bench) look(id string) error {
	processes, err := footprint.Processes(filepath.Join(b.dir, "root-"+report.Kata), id)
	if err != nil {
		return err
	}
	for pid, role := range processes {
		if role != footprint.QEMU {
			continue
		}
		args, err := footprint.Arguments(pid)
		if err != nil {
			return err
		}
		b.result.Machine.TSCKHz = floor.GuestTSC(args)
	}
	return nil
}

func (b *bench) prepareFloor(ctx context.Context) error {
	var m floor.Machine
	if b.kata != nil {
		var env *settings.Env
		var err error
		if m, env, err = settings.Read(ctx, b.kata); err != nil {
			return err
		}
		b.result.Sizes = sizes(env)
	}
	m.TSCKHz = b.result.Machine.TSCKHz
	b.o.override(&m)
	b.result.VM = m
	if m.Kernel == "" {
		return errors.New("no guest kernel is known: -kernel names one")
	}
	qemu, err := find(m.QEMU)
	if err != nil {
		return err
	}
	m.QEMU = qemu
	b.result.Versions = append(b.result.Versions, report.Version{Name: "QEMU", Text: peer.Version(ctx, qemu)})
	say("floor: a first boot")
	f, err := floor.New(ctx, m, b.dir)
	if err != nil {
		return err
	}
	if _, err := f.Line(ctx); err != nil {
		return err
	}
	if _, err := f.Serial(ctx); err != nil {
		return err
	}
	b.floor = f
	return nil
}
