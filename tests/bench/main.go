// Command bench measures the runtime beside its peers and beside the floor,
// all in one run and in turns, so that what else the machine does meets all of
// them alike. It is the one place where speed is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/tests/bench/report"
)

// minRounds is the least number of samples whose median is worth a table.
const minRounds = 7

// options of a run.
type options struct {
	rounds           int
	kata, config     string
	runc, crun       string
	qemu, kernel     string
	initrd, machine  string
	accelerator      string
	memoryMiB, vcpus int
	out              string
	few              bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func flags(args []string) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "n", 9, "number of `rounds`, at least 7")
	f.BoolVar(&o.few, "few", false, "allow fewer rounds, to try the benchmark itself")
	f.StringVar(&o.kata, "kata", env("KATA_RUNTIME", "kata-runtime"), "kata-runtime's `binary`")
	f.StringVar(&o.config, "config", os.Getenv("KATA_CONF_FILE"), "its configuration `file`; by default the installed one")
	f.StringVar(&o.runc, "runc", "runc", "runc's `binary`")
	f.StringVar(&o.crun, "crun", "crun", "crun's `binary`")
	// The rest is known from kata-runtime's settings, and needed without it.
	f.StringVar(&o.qemu, "qemu", "", "QEMU's `binary` for the floor; by default kata-runtime's, like those that follow")
	f.StringVar(&o.kernel, "kernel", "", "guest kernel `file`")
	f.StringVar(&o.initrd, "initrd", "", "initrd `file` with the kernel's modules")
	f.StringVar(&o.machine, "machine", "", "machine `type`")
	f.StringVar(&o.accelerator, "accelerator", "", "kvm or tcg")
	f.IntVar(&o.memoryMiB, "memory", 0, "guest's memory in `MiB`")
	f.IntVar(&o.vcpus, "vcpus", 0, "guest's `CPUs`")
	f.StringVar(&o.out, "out", "", "`file` (Markdown) whose generated part is replaced; the plot is written beside it")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds < minRounds && !o.few || o.rounds < 1 {
		return nil, fmt.Errorf("-n %d: a median of fewer than %d samples says little (-few allows it)", o.rounds, minRounds)
	}
	if o.few && o.out != "" {
		return nil, errors.New("-few is for trying, -out for figures that others read: one of them, not both")
	}
	return o, nil
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func run(ctx context.Context, args []string) (err error) {
	o, err := flags(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("the runtimes need root: sudo make bench")
	}
	dir, err := os.MkdirTemp("", "kata-bench-")
	if err != nil {
		return err
	}
	b := &bench{o: o, dir: dir, result: report.Result{
		Date: time.Now().UTC(), Rounds: o.rounds, Machine: report.DescribeMachine(),
	}}
	defer func() {
		// Also after an interrupt: everything that was started is ended.
		if cleanErr := b.clean(); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("clean up %s: %w", dir, cleanErr))
		}
	}()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.result.Machine.LoadAfter = report.Load()
	if err := report.Text(os.Stdout, &b.result); err != nil {
		return err
	}
	if b.kata == nil {
		return errors.New("kata-runtime was not measured, see above")
	}
	if o.out == "" {
		return nil
	}
	return report.Write(o.out, &b.result)
}

// clean removes what is left of the containers and the folder. It is not
// bound to the context that an interrupt has ended.
func (b *bench) clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var errs []error
	for _, p := range b.peers {
		errs = append(errs, p.Clean(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err // the folder stays: it says what is left
	}
	return os.RemoveAll(filepath.Clean(b.dir))
}
