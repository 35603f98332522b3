// Command osbuilder makes what a VM boots, the guest's kernel and its file system,
// and a QEMU to boot it with. Run it from the repository's root (make image, make
// kernel, make qemu).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/osbuilder/cache"
)

// settings that both commands share.
type settings struct {
	cache cache.Cache
	out   string
	agent string
	// modprobe is the binary that goes into a guest with modules.
	modprobe string
	version  string
	// epoch is the time stamp of all files, seconds since 1970.
	epoch int64
	// zstd compresses the initrd: smaller on disk, slower to boot.
	zstd  bool
	start time.Time
}

// say tells the person who waits what goes on.
func (s settings) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "[%4.0fs] %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "osbuilder:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s := settings{start: time.Now()}
	flags := flag.NewFlagSet("osbuilder image|kernel|qemu", flag.ContinueOnError)
	flags.StringVar(&s.cache.Dir, "cache", env("KATA_CACHE", "/var/cache/kata-runtime"), "`folder` that keeps downloads and built kernels")
	flags.StringVar(&s.out, "out", "build/guest", "`folder` for the assets")
	flags.StringVar(&s.agent, "agent", "build/kata-agent", "the agent's `binary`")
	flags.StringVar(&s.modprobe, "modprobe", "build/kata-modprobe", "the guest's modprobe `binary`")
	flags.StringVar(&s.version, "version", "unknown", "`release` of the project, for the manifests")
	flags.BoolVar(&s.zstd, "zstd", false, "compress the initrd")
	var err error
	if s.epoch, err = strconv.ParseInt(env("SOURCE_DATE_EPOCH", "0"), 10, 64); err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	if len(args) == 0 {
		args = []string{"help"}
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if s.cache.Dir, err = filepath.Abs(s.cache.Dir); err != nil {
		return err
	}
	switch args[0] {
	case "image":
		return s.image(ctx)
	case "kernel":
		return s.kernel(ctx)
	case "qemu":
		return s.qemu(ctx)
	default:
		return fmt.Errorf("unknown command %q; there are: image, kernel, qemu", args[0])
	}
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
