package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli"
)

var updateCommand = cli.Command{
	Name:      "update",
	Usage:     "update container resource constraints",
	ArgsUsage: "<container-id>",
	Description: `Changes limits: the guest's kernel enforces them; CPU sets and
   block I/O hold on the host. With --resources the values come from a file
   ("-": standard input) in the form of LinuxResources of the runtime-spec; the
   other flags are ignored then.`,
	Flags: []cli.Flag{
		cli.StringFlag{Name: "resources, r", Usage: "path to the file containing the resources to update or '-' to read from the standard input"},
		cli.IntFlag{Name: "blkio-weight", Usage: "specifies per cgroup weight, range is from 10 to 1000"},
		cli.StringFlag{Name: "cpu-period", Usage: "CPU CFS period to be used for hardcapping (in usecs). 0 to use system default"},
		cli.StringFlag{Name: "cpu-quota", Usage: "CPU CFS hardcap limit (in usecs). Allowed cpu time in a given period"},
		cli.StringFlag{Name: "cpu-burst", Usage: "CPU CFS hardcap burst limit (in usecs). Allowed accumulated cpu time additionally for burst a given period"},
		cli.StringFlag{Name: "cpu-share", Usage: "CPU shares (relative weight vs. other containers)"},
		cli.StringFlag{Name: "cpu-rt-period", Usage: "CPU realtime period to be used for hardcapping (in usecs). 0 to use system default"},
		cli.StringFlag{Name: "cpu-rt-runtime", Usage: "CPU realtime hardcap limit (in usecs). Allowed cpu time in a given period"},
		cli.StringFlag{Name: "cpuset-cpus", Usage: "CPU(s) to use. The list can contain commas and ranges. For example: 0-3,7"},
		cli.StringFlag{Name: "cpuset-mems", Usage: "Memory node(s) to use. The list can contain commas and ranges. For example: 0-3,7"},
		cli.StringFlag{Name: "cpu-idle", Usage: "set cgroup SCHED_IDLE or not, 0: default behavior, 1: SCHED_IDLE"},
		cli.StringFlag{Name: "memory", Usage: "memory limit (in bytes)"},
		cli.StringFlag{Name: "memory-reservation", Usage: "memory reservation or soft_limit (in bytes)"},
		cli.StringFlag{Name: "memory-swap", Usage: "total memory usage (memory + swap); set '-1' to enable unlimited swap"},
		cli.StringFlag{Name: "kernel-memory", Usage: "(obsoleted; do not use)", Hidden: true},
		cli.StringFlag{Name: "kernel-memory-tcp", Usage: "(obsoleted; do not use)", Hidden: true},
		cli.IntFlag{Name: "pids-limit", Usage: "maximum number of pids allowed in the container"},
		cli.StringFlag{Name: "l3-cache-schema", Usage: "refused: there is no Intel RDT in a VM"},
		cli.StringFlag{Name: "mem-bw-schema", Usage: "refused: there is no Intel RDT in a VM"},
	},
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		resources, err := resourcesOf(c)
		if err != nil {
			return err
		}
		host, err := envOf(c).host()
		if err != nil {
			return err
		}
		if m := resources.Memory; m != nil && (isSet(*kernelMemory(m)) || isSet(m.KernelTCP)) {
			envOf(c).Log.Warn("Kernel memory settings are ignored: the guest has cgroup v2, which counts kernel memory in the limit of memory")
		}
		ctx, stop := interruptible()
		defer stop()
		return host.Update(ctx, c.Args().First(), resources)
	},
}

// resourcesOf answers what --resources or the single flags ask for.
func resourcesOf(c *cli.Context) (*specs.LinuxResources, error) {
	if path := c.String("resources"); path != "" {
		return readResources(path)
	}
	if c.String("l3-cache-schema") != "" || c.String("mem-bw-schema") != "" {
		return nil, errors.New("--l3-cache-schema, --mem-bw-schema: Intel RDT is not available in a VM")
	}
	r := &specs.LinuxResources{CPU: &specs.LinuxCPU{}, Memory: &specs.LinuxMemory{}}
	r.CPU.Cpus, r.CPU.Mems = c.String("cpuset-cpus"), c.String("cpuset-mems")
	if c.IsSet("blkio-weight") {
		weight := uint16(c.Int("blkio-weight"))
		r.BlockIO = &specs.LinuxBlockIO{Weight: &weight}
	}
	if c.IsSet("pids-limit") {
		limit := int64(c.Int("pids-limit"))
		r.Pids = &specs.LinuxPids{Limit: &limit}
	}
	return r, errors.Join(
		unsigned(c, "cpu-period", &r.CPU.Period), signed(c, "cpu-quota", &r.CPU.Quota),
		unsigned(c, "cpu-burst", &r.CPU.Burst), unsigned(c, "cpu-share", &r.CPU.Shares),
		unsigned(c, "cpu-rt-period", &r.CPU.RealtimePeriod), signed(c, "cpu-rt-runtime", &r.CPU.RealtimeRuntime),
		signed(c, "cpu-idle", &r.CPU.Idle), memorySize(c, "memory", &r.Memory.Limit),
		memorySize(c, "memory-reservation", &r.Memory.Reservation), memorySize(c, "memory-swap", &r.Memory.Swap),
		memorySize(c, "kernel-memory", kernelMemory(r.Memory)), memorySize(c, "kernel-memory-tcp", &r.Memory.KernelTCP),
	)
}

func kernelMemory(m *specs.LinuxMemory) **int64 {
	//lint:ignore SA1019 runc has it, too
	return &m.Kernel
}

func isSet(n *int64) bool { return n != nil && *n != 0 }

func readResources(path string) (*specs.LinuxResources, error) {
	var in io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("--resources: %w", err)
		}
		defer f.Close()
		in = f
	}
	r := new(specs.LinuxResources)
	if err := json.NewDecoder(in).Decode(r); err != nil {
		return nil, fmt.Errorf("--resources %s: %w", path, err)
	}
	return r, nil
}

func unsigned(c *cli.Context, flag string, to **uint64) error {
	return number(c, flag, func(s string) error {
		n, err := strconv.ParseUint(s, 10, 64)
		*to = &n
		return err
	})
}

func signed(c *cli.Context, flag string, to **int64) error {
	return number(c, flag, func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		*to = &n
		return err
	})
}

// memorySize takes "512m" as well; -1 means no limit.
func memorySize(c *cli.Context, flag string, to **int64) error {
	return number(c, flag, func(s string) error {
		n := int64(-1)
		var err error
		if s != "-1" {
			n, err = units.RAMInBytes(s)
		}
		*to = &n
		return err
	})
}

func number(c *cli.Context, flag string, parse func(string) error) error {
	value := c.String(flag)
	if value == "" {
		return nil
	}
	if err := parse(value); err != nil {
		return fmt.Errorf("invalid value for %s: %q: %w", flag, value, err)
	}
	return nil
}
