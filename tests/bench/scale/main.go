// Command scale starts many sandboxes on one machine, some at a time, and tells
// how their start time and their memory go with their number: booted, as a
// template's clones, and from the cache of ready VMs. Every sandbox has to be
// there and to answer in the end: one that is lost is a failure.
//
//	go run ./tests/bench/scale -kata build/kata-runtime -config build/configuration.toml
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// options are what the command line says.
type options struct {
	kata, config, dir, out string
	counts                 []int
	modes                  []string
	atOnce, ready          int
	memoryMiB              int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("scale", flag.ContinueOnError)
	f.StringVar(&o.kata, "kata", "build/kata-runtime", "`path` of kata-runtime")
	f.StringVar(&o.config, "config", "build/configuration.toml", "`path` of the configuration to begin with")
	f.StringVar(&o.dir, "dir", "", "`folder` for bundles and sandboxes; a new one in /run without")
	f.StringVar(&o.out, "out", "", "`path` of a file for the result as JSON")
	f.IntVar(&o.atOnce, "at-once", 10, "how many are started at a time")
	f.IntVar(&o.ready, "ready", 10, "how many VMs the cache keeps ready")
	f.IntVar(&o.memoryMiB, "memory", 128, "default_memory of the guests, in MiB")
	counts := f.String("counts", "1,10,50,100", "`numbers` of sandboxes at once")
	modes := f.String("modes", strings.Join(allModes, ","), "how VMs are made")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(*counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 10000 {
			return nil, fmt.Errorf("-counts %q: numbers from 1 to 10000, divided by commas", *counts)
		}
		o.counts = append(o.counts, n)
	}
	o.modes = strings.Split(*modes, ",")
	if o.atOnce < 1 || o.ready < 1 || f.NArg() > 0 {
		return nil, fmt.Errorf("-at-once and -ready are at least 1, and there are no further arguments")
	}
	return o, nil
}

func run(ctx context.Context, o *options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("/run", "kata-scale-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	var rows []row
	for _, mode := range o.modes {
		more, err := measure(ctx, o, mode)
		rows = append(rows, more...)
		if err != nil {
			fmt.Print(table(rows))
			return fmt.Errorf("%s: %w", mode, err)
		}
	}
	fmt.Print(table(rows))
	if o.out == "" {
		return nil
	}
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.out, append(data, '\n'), 0o644)
}
