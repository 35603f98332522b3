// Package disk measures files: the root file system and volumes of containers,
// beside the same devices in a bare guest and beside runc; and options of the
// shares.
package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/turn"
	"github.com/kata-go/kata-runtime/tests/bench/variant"
	"github.com/kata-go/kata-runtime/tests/bench/work"
)

// amount is what is read, written and created.
type amount struct{ mib, files int64 }

// much is for the comparison with the targets; slow the same by 9p, where each
// file takes several round trips and ten thousand a minute; less is to compare
// many options; tiny only tries the benchmark itself.
var (
	much = amount{256, 10000}
	slow = amount{256, 2000}
	less = amount{64, 1000}
	tiny = amount{8, 100}
)

// optionRounds: each of them takes minutes for all options together, whose
// differences that count are of a factor.
const optionRounds = 3

// deadline of a container that does all of it.
const deadline = 6 * time.Minute

// Folders in the container.
const (
	inRootfs = "/bench"
	inVolume = "/volume"
	inDisk   = "/disk"
)

// Part is the group "io".
type Part struct {
	lab              *lab.Lab
	much, slow, less amount
	way              map[string]*peer.Peer // kata-runtime by share
	runc             *peer.Peer
	worker           *floor.Worker
	// folders are what is mounted in the container as a volume, and shared with
	// bare guests; device has an ext4 with the same.
	volume, small, device string
	// smallDevice has less, for the options.
	smallDevice string
	bundles     map[string]string // by way
}

// Name, What: see lab.Part.
func (*Part) Name() string { return "io" }
func (*Part) What() string {
	return "files on the root file system and on volumes, beside bare guests; options of shares"
}

// The ways to files.
const (
	ninep    = "9p"
	virtiofs = "virtiofs"
	block    = "virtio-blk"
)

// Prepare writes the files and admits the runtimes.
func (p *Part) Prepare(ctx context.Context, l *lab.Lab) error {
	p.lab, p.much, p.slow, p.less = l, much, slow, less
	if l.Few {
		p.much, p.slow, p.less = tiny, tiny, tiny
	}
	dir := filepath.Join(l.Dir, "io")
	program, err := work.Compile(ctx, filepath.Join(l.Dir, "io-work"))
	if err != nil {
		return err
	}
	rootfs := filepath.Join(l.Maker().Rootfs(), inRootfs)
	p.volume, p.small = filepath.Join(dir, "volume"), filepath.Join(dir, "small")
	for folder, size := range map[string]int64{rootfs: p.much.mib, p.volume: p.much.mib, p.small: p.less.mib} {
		if err := fill(folder, size); err != nil {
			return err
		}
	}
	if err := install(program, filepath.Join(l.Maker().Rootfs(), "bin/work")); err != nil {
		return err
	}
	guest := l.Guests[0]
	if p.worker, err = floor.NewWorker(guest.Machine, program, dir); err != nil {
		return err
	}
	p.way = map[string]*peer.Peer{}
	for name, fs := range map[string]string{ninep: "virtio-9p", virtiofs: "virtio-fs"} {
		k, err := l.NewKata("kata, "+name, "io-"+name, guest.With(variant.Settings{"hypervisor.qemu.shared_fs": fs}))
		if err != nil {
			return err
		}
		k.Deadline = deadline
		p.way[name] = k
	}
	if p.runc, err = l.NewHost(ctx, report.Runc); err != nil {
		l.LeaveOut(report.Runc+" in io", err)
		p.runc = nil
	}
	if err := p.makeDisks(ctx, dir); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.LeaveOut("io on a block device", err)
	}
	return p.makeBundles(dir)
}

// fill makes a folder with the file that is read.
func fill(folder string, size int64) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(folder, work.DataFile))
	if err != nil {
		return err
	}
	defer f.Close()
	piece := make([]byte, 1<<20)
	for i := range piece {
		piece[i] = byte(i * 7)
	}
	for range size {
		if _, err := f.Write(piece); err != nil {
			return err
		}
	}
	return f.Sync()
}

func install(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

func (p *Part) makeBundles(dir string) (err error) {
	mount := func(source, at string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: at, Type: "bind", Source: source, Options: []string{"rbind", "rw"}})
		}
	}
	p.bundles = map[string]string{}
	for _, way := range []string{ninep, virtiofs, block} {
		a := p.amount(way)
		args := []string{"/bin/work", "disk", fmt.Sprint(a.mib), fmt.Sprint(a.files)}
		from, folders := mount(p.volume, inVolume), []string{inRootfs, inVolume}
		if way == block {
			from, folders = mount(filepath.Join(dir, assigned), inDisk), []string{inDisk}
		}
		if p.bundles[way], err = p.lab.Maker().MakeWith("io-"+way, from, append(args, folders...)...); err != nil {
			return err
		}
	}
	return nil
}

// amount is what is moved by a way.
func (p *Part) amount(way string) amount {
	if way == ninep {
		return p.slow
	}
	return p.much
}

// Jobs: see lab.Part.
func (p *Part) Jobs() []turn.Job {
	var jobs []turn.Job
	some := func(rounds int, name string, do func(context.Context) error) {
		jobs = append(jobs, turn.Job{Name: name, Rounds: rounds, Do: func(ctx context.Context, _ int) error { return do(ctx) }})
	}
	add := func(name string, do func(context.Context) error) { some(0, name, do) }
	if p.runc != nil {
		add("files, runc", func(ctx context.Context) error { return p.container(ctx, p.runc, virtiofs, 2) })
	}
	for _, name := range []string{ninep, virtiofs} {
		k := p.way[name]
		add("files, "+k.Name, func(ctx context.Context) error { return p.container(ctx, k, name, 2) })
		add("files, bare guest, "+name, func(ctx context.Context) error {
			return p.bare(ctx, bare(name), p.volume, p.amount(name), standard[name])
		})
	}
	if p.device != "" {
		// The share is of no account: the container's process alone comes from it.
		add("files, kata, block", func(ctx context.Context) error { return p.container(ctx, p.way[ninep], block, 1) })
		add("files, bare guest, block", func(ctx context.Context) error {
			return p.bareDisk(ctx, bare(block), p.device, p.much, floor.DiskOptions{})
		})
		for _, o := range blockOptions {
			some(optionRounds, "files, bare guest, "+o.String(), func(ctx context.Context) error {
				return p.tried(ctx, o.String(), p.bareDisk(ctx, o.String(), p.smallDevice, p.less, o.DiskOptions))
			})
		}
	}
	for _, o := range options {
		some(optionRounds, "files, bare guest, "+o.String(), func(ctx context.Context) error {
			return p.tried(ctx, o.String(), p.bare(ctx, o.String(), p.small, p.less, o))
		})
	}
	return jobs
}

// tried takes what came of an option. That one cannot be used is a result, too,
// and is named.
func (p *Part) tried(ctx context.Context, name string, err error) error {
	if err != nil && ctx.Err() == nil {
		p.lab.LeaveOut("io, "+name, err)
		return nil
	}
	return err
}

// bare names the samples of a bare guest.
func bare(way string) string { return "bare guest, " + way }

// container has the work of a way done in a container, and takes the results as
// speeds: bytes and files per second.
func (p *Part) container(ctx context.Context, who *peer.Peer, way string, folders int) error {
	out, err := who.Output(ctx, p.bundles[way])
	if err != nil {
		return err
	}
	results, err := work.Results(out, folders)
	if err != nil {
		return fmt.Errorf("%s: %w", who.Name, err)
	}
	for _, r := range results {
		p.lab.Samples.Add(who.Name, measure(r.Folder, r.Measure), p.amount(way).speed(r))
	}
	return nil
}

// speed answers bytes or files per second.
func (a amount) speed(r work.Result) float64 {
	if r.Measure == work.Create || r.Measure == work.Remove {
		return float64(a.files) / r.Seconds
	}
	return float64(a.mib<<20) / r.Seconds
}

func measure(folder, what string) string { return folder + " " + what }
