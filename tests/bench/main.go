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
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/tests/bench/lab"
	"github.com/kata-go/kata-runtime/tests/bench/report"
)

// minRounds is the least number of samples whose median is worth a table.
const minRounds = 9

// options of a run.
type options struct {
	lab.Options
	only []string
	out  string
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
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.Rounds, "n", 9, "number of `rounds`, at least 9")
	f.BoolVar(&o.Few, "few", false, "allow fewer rounds, and move less, to try the benchmark itself")
	f.StringVar(&only, "only", "", "`parts` to measure, commas between them; all without it. They are "+names(parts()))
	f.StringVar(&o.Kata, "kata", env("KATA_RUNTIME", "kata-runtime"), "kata-runtime's `binary`")
	f.StringVar(&o.Config, "config", os.Getenv("KATA_CONF_FILE"), "its configuration `file`; by default the installed one")
	f.StringVar(&o.Runc, "runc", "runc", "runc's `binary`")
	f.StringVar(&o.Crun, "crun", "crun", "crun's `binary`")
	f.StringVar(&o.Runsc, "runsc", "", "gVisor's `binary` (tests/bench/runsc.sh builds it)")
	f.StringVar(&o.Heaps, "heaps", "", "`folder` with helpers by the pace of their garbage collector, for the part heap")
	f.StringVar(&o.out, "out", "", "`file` (Markdown) in which the figures of each part are replaced, as soon as it is measured; the plots are written beside it")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.Rounds < minRounds && !o.Few || o.Rounds < 1 {
		return nil, fmt.Errorf("-n %d: a median of fewer than %d samples says little (-few allows it)", o.Rounds, minRounds)
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	if o.Few && o.out != "" {
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
	chosen, err := choose(parts(), o.only)
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
	l, err := lab.New(ctx, o.Options, dir)
	defer func() {
		// Also after an interrupt: everything that was started is ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		if closeErr := l.Close(ctx); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("clean up %s: %w", dir, closeErr))
		}
	}()
	if err != nil {
		return err
	}
	return measure(ctx, l, chosen, func(r *report.Result, whole bool) error {
		if err := report.Text(os.Stdout, r); err != nil || o.out == "" || !whole {
			return err // what others read has no holes
		}
		return report.Write(o.out, r)
	})
}
