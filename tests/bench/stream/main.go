// Command stream measures what a process's standard streams move through a
// sandbox, beside what the same guest's bare serial port moves, all in one run
// and in turns.
//
//	build/bench-stream -kata build/kata-runtime -config build/configuration.toml
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/tests/bench/bundle"
	"github.com/kata-go/kata-runtime/tests/bench/floor"
	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
	"github.com/kata-go/kata-runtime/tests/bench/settings"
)

type options struct {
	rounds, mib  int
	kata, config string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-stream:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	o := new(options)
	f := flag.NewFlagSet("bench-stream", flag.ContinueOnError)
	f.IntVar(&o.rounds, "n", 9, "number of `rounds`")
	f.IntVar(&o.mib, "mib", 64, "`MiB` that are moved each time")
	f.StringVar(&o.kata, "kata", os.Getenv("KATA_RUNTIME"), "kata-runtime's `binary`")
	f.StringVar(&o.config, "config", os.Getenv("KATA_CONF_FILE"), "its configuration `file`; by default the installed one")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if f.NArg() > 0 || o.rounds < 1 || o.mib < 1 {
		return errors.New("-n and -mib must be positive, and no arguments follow")
	}
	if o.kata == "" {
		return errors.New("-kata or KATA_RUNTIME must name kata-runtime")
	}
	if os.Geteuid() != 0 {
		return errors.New("kata-runtime needs root")
	}
	dir, err := os.MkdirTemp("", "kata-stream-")
	if err != nil {
		return err
	}
	b := &bench{o: o, dir: dir, kata: &peer.Peer{Name: report.Kata, Binary: o.kata, Root: filepath.Join(dir, "root"), Dir: dir}}
	if o.config != "" {
		b.kata.Env = []string{"KATA_CONF_FILE=" + o.config}
	}
	defer func() {
		// Also after an interrupt: everything that was started is ended.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		if cleanErr := b.kata.Clean(ending); cleanErr != nil {
			err = errors.Join(err, cleanErr)
			return // the folder stays: it says what is left
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for i := range o.rounds {
		if err := b.round(ctx, i); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted: %w", ctx.Err())
			}
			return err
		}
	}
	b.print()
	return nil
}

// bench is one run.
type bench struct {
	o       *options
	dir     string
	kata    *peer.Peer
	floor   *floor.Floor
	samples series.Set
}

// id is the container's; peer.Peer.Clean knows its own by the beginning.
const id = "bench-stream"

func (b *bench) prepare(ctx context.Context) error {
	bundles := filepath.Join(b.dir, "bundles")
	if err := os.Mkdir(bundles, 0o700); err != nil {
		return err
	}
	m, err := bundle.New(ctx, bundles, b.o.kata)
	if err != nil {
		return err
	}
	sleep, err := m.Make("sleep", "/bin/sleep", "1000000")
	if err != nil {
		return err
	}
	if _, err := b.kata.Run(ctx, "create", "--bundle", sleep, id); err != nil {
		return err
	}
	if _, err := b.kata.Run(ctx, "start", id); err != nil {
		return err
	}
	machine, _, err := settings.Read(ctx, b.kata)
	if err != nil {
		return err
	}
	roles, err := footprint.Processes(b.kata.Root, id)
	if err != nil {
		return err
	}
	for pid, role := range roles {
		if role != footprint.QEMU {
			continue
		}
		args, err := footprint.Arguments(pid)
		if err != nil {
			return err
		}
		machine.TSCKHz = floor.GuestTSC(args)
	}
	// What the runtime would do by itself for a setting of zero.
	machine.MemoryMiB, machine.VCPUs = max(machine.MemoryMiB, 256), max(machine.VCPUs, 1)
	b.floor, err = floor.New(ctx, machine, b.dir)
	return err
}

// The measures; a name with "cpu" is the CPU time of a process while moving.
const (
	out, in, both = "out", "in", "both ways"
	// pipe is two programs in the container with a pipe between them, and nothing
	// of ours: what a process's stream costs the guest before it gets to us.
	pipe = "pipe in the guest"
	port = "bare port"
)

func (b *bench) round(ctx context.Context, i int) error {
	bytes := int64(b.o.mib) << 20
	jobs := []func() error{
		func() error {
			r, err := b.floor.Stream(ctx, bytes)
			b.samples.Add(port, out, r.Out)
			b.samples.Add(port, in, r.In)
			return err
		},
		func() error { return b.move(ctx, out, bytes) },
		func() error { return b.move(ctx, in, bytes) },
		func() error { return b.move(ctx, both, bytes) },
		func() error { return b.move(ctx, pipe, bytes) },
		func() error {
			r, err := b.kata.Run(ctx, "exec", id, "true")
			b.samples.Add(report.Kata, "exec true", r.Wall.Seconds())
			return err
		},
	}
	for j := range jobs {
		if err := jobs[(i+j)%len(jobs)](); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "round %d of %d\n", i+1, b.o.rounds)
	return nil
}

// move moves bytes and notes how fast, and which CPU time that took.
func (b *bench) move(ctx context.Context, way string, bytes int64) error {
	before, err := b.cpu()
	if err != nil {
		return err
	}
	rate, err := b.exec(ctx, way, bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", way, err)
	}
	after, err := b.cpu()
	if err != nil {
		return err
	}
	b.samples.Add(report.Kata, way, rate)
	for role, t := range after {
		b.samples.Add(report.Kata, way+" cpu "+role, (t - before[role]).Seconds())
	}
	return nil
}

func (b *bench) print() {
	fmt.Printf("%d MiB each time, median (min-max) of %d rounds; load average %.1f\n", b.o.mib, b.o.rounds, report.Load())
	for _, who := range []string{port, report.Kata} {
		for _, measure := range b.samples.Measures(who) {
			s, _ := b.samples.Of(who, measure)
			if strings.Contains(measure, "cpu") || strings.Contains(measure, "exec") {
				fmt.Printf("%-14s %-24s %7.3f s (%.3f-%.3f)\n", who, measure, s.Median, s.Min, s.Max)
			} else {
				fmt.Printf("%-14s %-24s %6.1f MB/s (%.1f-%.1f)\n", who, measure, s.Median/1e6, s.Min/1e6, s.Max/1e6)
			}
		}
	}
	for _, way := range []string{out, in} {
		if r, ok := b.samples.Ratio(series.Key{Peer: report.Kata, Measure: way}, series.Key{Peer: port, Measure: way}); ok {
			fmt.Printf("%s: %.2f of the bare port (target 0.50)\n", way, r)
		}
		bare, _ := b.samples.Of(port, way)
		piped, _ := b.samples.Of(report.Kata, pipe)
		got, _ := b.samples.Of(report.Kata, way)
		// Each byte goes through both, by one CPU.
		most := 1 / (1/bare.Median + 1/piped.Median)
		fmt.Printf("%s: %.2f of what port and pipe one after the other allow, %.1f MB/s\n", way, got.Median/most, most/1e6)
	}
}
