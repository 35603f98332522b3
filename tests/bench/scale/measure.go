package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/bundle"
	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// row is what was measured of one number of sandboxes made in one way.
type row struct {
	Mode  string `json:"mode"`
	Count int    `json:"count"`
	// Start are the times of "run --detach", in seconds.
	Start series.Stats `json:"start"`
	// Wall is the time until all were there, in seconds.
	Wall float64 `json:"wall"`
	// PSS is that of all host processes, Available by how much the host had less
	// memory, both per sandbox and in bytes.
	PSS       float64 `json:"pss"`
	Available float64 `json:"available"`
	// Used counts those that did begin in the mode's way.
	Used int `json:"used"`
	// Lost are those that did not start, or did not answer in the end.
	Lost []string `json:"lost,omitempty"`
}

// say tells the person who waits what goes on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// measure makes the rows of a mode.
func measure(ctx context.Context, o *options, mode string) (rows []row, err error) {
	config, err := configure(o, mode)
	if err != nil {
		return nil, err
	}
	kata, err := filepath.Abs(o.kata)
	if err != nil {
		return nil, err
	}
	p := &peer.Peer{Name: mode, Binary: kata, Env: []string{"KATA_CONF_FILE=" + config}, Root: filepath.Join(o.dir, "root"), Dir: o.dir}
	defer func() {
		// Whatever happened, nothing may be left.
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, p.Clean(ctx))
		if _, derr := p.Run(ctx, "factory", "destroy"); derr != nil {
			err = errors.Join(err, derr)
		}
	}()
	dir, err := os.MkdirTemp(o.dir, "bundles-")
	if err != nil {
		return nil, err
	}
	maker, err := bundle.New(ctx, dir, kata)
	if err != nil {
		return nil, err
	}
	sleeper, err := maker.Make("sleep", "/bin/sleep", "1000000")
	if err != nil {
		return nil, err
	}
	// The first one makes what the others find: kept translations, warm caches.
	if _, err := p.Run(ctx, "run", "--detach", "--bundle", sleeper, name(0)); err != nil {
		return nil, err
	}
	if err := p.Clean(ctx); err != nil {
		return nil, err
	}
	for _, n := range o.counts {
		if mode != cold {
			if _, err := p.Run(ctx, "factory", "init"); err != nil {
				return rows, err
			}
		}
		r, err := crowd(ctx, p, o, sleeper, n)
		if err != nil {
			return rows, err
		}
		r.Mode = mode
		rows = append(rows, *r)
		say("%s: %d sandboxes, median start %.2f s, %d lost", mode, n, r.Start.Median, len(r.Lost))
		if err := p.Clean(ctx); err != nil {
			return rows, err
		}
		if len(r.Lost) > 0 {
			return rows, fmt.Errorf("%d of %d sandboxes are lost, the first: %s", len(r.Lost), n, r.Lost[0])
		}
	}
	return rows, nil
}

// crowd starts n sandboxes and looks at them when all are there.
func crowd(ctx context.Context, p *peer.Peer, o *options, sleeper string, n int) (*row, error) {
	before, err := available()
	if err != nil {
		return nil, err
	}
	r := &row{Count: n}
	var times series.Set
	begun := time.Now()
	each(n, o.atOnce, func(i int, mu *sync.Mutex) {
		result, err := p.Run(ctx, "run", "--detach", "--bundle", sleeper, name(i))
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			r.Lost = append(r.Lost, fmt.Sprintf("%s: %v", name(i), err))
			return
		}
		times.Add("", "start", result.Wall.Seconds())
	})
	r.Wall = time.Since(begun).Seconds()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.Start, _ = times.Of("", "start")
	if len(r.Lost) > 0 {
		return r, nil
	}
	after, err := available()
	if err != nil {
		return nil, err
	}
	r.Available = float64(before-after) / float64(n)
	pss, used, err := memory(p.Root, n)
	if err != nil {
		return nil, err
	}
	r.PSS, r.Used = float64(pss)/float64(n), used[p.Name]
	// They are all there; do they all answer?
	each(n, o.atOnce, func(i int, mu *sync.Mutex) {
		if _, err := p.Run(ctx, "exec", name(i), "/bin/true"); err != nil {
			mu.Lock()
			defer mu.Unlock()
			r.Lost = append(r.Lost, fmt.Sprintf("%s: %v", name(i), err))
		}
	})
	return r, ctx.Err()
}

func name(i int) string { return fmt.Sprintf("%sscale-%d", peer.IDPrefix, i) }

// each calls do for 0 to n-1, some at a time.
func each(n, atOnce int, do func(i int, mu *sync.Mutex)) {
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(i, &mu)
		})
	}
	all.Wait()
}

// memory adds up the PSS of all sandboxes' processes, and counts in which way
// their VMs were made.
func memory(root string, n int) (total int64, used map[string]int, err error) {
	used = map[string]int{}
	for i := range n {
		processes, err := footprint.Processes(root, name(i))
		if err != nil {
			return 0, nil, err
		}
		for pid, role := range processes {
			pss, err := footprint.PSS(pid)
			if err != nil {
				return 0, nil, err
			}
			total += pss
			if role != footprint.QEMU {
				continue
			}
			args, err := footprint.Arguments(pid)
			if err != nil {
				return 0, nil, err
			}
			used[made(args)]++
		}
	}
	return total, used, nil
}

// made tells by QEMU's arguments how a VM was made. A ready VM has its name
// from before there was a sandbox.
func made(args []string) string {
	way := cold
	for i, arg := range args {
		switch {
		case arg == "-name" && i+1 < len(args) && strings.HasPrefix(args[i+1], "vm-"):
			return cached
		case arg == "-incoming":
			way = template
		}
	}
	return way
}

// available answers the host's MemAvailable in bytes.
func available() (int64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) > 1 && words[0] == "MemAvailable:" {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n * 1024, err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemAvailable")
}
