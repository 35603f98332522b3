package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/runc/types"
	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

var eventsCommand = cli.Command{
	Name:      "events",
	Usage:     "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
	ArgsUsage: "<container-id>",
	Description: `Prints an event "oom" whenever the guest's kernel kills a process of the
   container for want of memory, and every --interval an event "stats" with what
   the guest measures, until the container stops. With --stats, one "stats" only.`,
	Flags: []cli.Flag{
		cli.DurationFlag{Name: "interval", Value: 5 * time.Second, Usage: "set the stats collection interval"},
		cli.BoolFlag{Name: "stats", Usage: "display the container's stats then exit"},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		if c.Duration("interval") <= 0 {
			return errors.New("duration interval must be greater than 0")
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		ctx, stop := interruptible()
		defer stop()
		printer := &eventPrinter{id: c.Args().First(), out: os.Stdout}
		if c.Bool("stats") {
			return printer.stats(ctx, host)
		}
		return printer.watch(ctx, host, c.Duration("interval"))
	},
}

// eventPrinter writes one event a line, whoever has it first.
type eventPrinter struct {
	id  string
	mu  sync.Mutex
	out io.Writer
}

func (p *eventPrinter) print(kind string, data any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := encodeGuests(p.out, types.Event{Type: kind, ID: p.id, Data: data}); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

func (p *eventPrinter) stats(ctx context.Context, host *sandbox.Host) error {
	stats, err := host.Stats(ctx, p.id)
	if err != nil {
		return err
	}
	return p.print("stats", statsOf(stats))
}

// watch prints until the container stops, the user interrupts, or nobody reads.
func (p *eventPrinter) watch(ctx context.Context, host *sandbox.Host, interval time.Duration) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var ticking sync.WaitGroup
	ticking.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			err := p.stats(ctx, host)
			if errors.Is(err, container.ErrState) || ctx.Err() != nil {
				return // watching ends, too
			}
			if err != nil {
				stop(err)
			}
		}
	})
	err := host.WatchContainer(ctx, p.id, func() {
		if err := p.print("oom", nil); err != nil {
			stop(err)
		}
	})
	cause := context.Cause(ctx)
	stop(nil)
	ticking.Wait()
	if errors.Is(cause, context.Canceled) {
		return nil // the user's wish
	}
	return errors.Join(err, cause)
}
