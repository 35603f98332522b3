package main

import (
	"context"
	"errors"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/virtcontainers/sandbox"
)

// notSupported is the exit code of a verb that runc has and we do not: the
// number of EOPNOTSUPP (errno(3)), which nothing else here exits with.
const notSupported = 95

var errCheckpoint = errors.New("checkpoint and restore are not supported: a container's processes are in its VM, where CRIU is not")

// Flags that checkpoint and restore have in common, as runc has them.
var criuFlags = []cli.Flag{
	cli.StringFlag{Name: "image-path", Usage: "path for the image files"},
	cli.StringFlag{Name: "work-path", Usage: "path for saving work files and logs"},
	cli.BoolFlag{Name: "tcp-established", Usage: "allow open tcp connections"},
	cli.BoolFlag{Name: "ext-unix-sk", Usage: "allow external unix sockets"},
	cli.BoolFlag{Name: "shell-job", Usage: "allow shell jobs"},
	cli.BoolFlag{Name: "lazy-pages", Usage: "use userfaultfd to lazily restore memory pages"},
	cli.BoolFlag{Name: "file-locks", Usage: "handle file locks, for safety"},
	cli.StringFlag{Name: "manage-cgroups-mode", Usage: "cgroups mode: soft|full|strict|ignore (default: soft)"},
	cli.StringSliceFlag{Name: "empty-ns", Usage: "create a namespace, but don't restore its properties"},
	cli.BoolFlag{Name: "auto-dedup", Usage: "enable auto deduplication of memory images"},
}

var checkpointCommand = cli.Command{
	Name:        "checkpoint",
	Usage:       "checkpoint a running container (not supported: exit code 95)",
	ArgsUsage:   "<container-id>",
	Description: `There is no checkpoint of a container in a VM. The flags are accepted.`,
	Flags: append([]cli.Flag{
		cli.StringFlag{Name: "parent-path", Usage: "path for previous image files in pre-dump"},
		cli.BoolFlag{Name: "leave-running", Usage: "leave the process running after checkpointing"},
		cli.BoolFlag{Name: "tcp-skip-in-flight", Usage: "skip in-flight tcp connections"},
		cli.BoolFlag{Name: "link-remap", Usage: "allow one to link unlinked files back when possible"},
		cli.IntFlag{Name: "status-fd", Value: -1, Usage: "writes \\0 to this FD once lazy-pages is ready"},
		cli.StringFlag{Name: "page-server", Usage: "ADDRESS:PORT of the page server"},
		cli.BoolFlag{Name: "pre-dump", Usage: "dump container's memory information only, leave the container running after this"},
	}, criuFlags...),
	Action: onContainer(func(host *sandbox.Host, _ context.Context, id string) error {
		// An id that does not exist is that, as with runc.
		if _, err := host.Status(id); err != nil {
			return err
		}
		return &exitError{code: notSupported, err: errCheckpoint}
	}),
}

var restoreCommand = cli.Command{
	Name:        "restore",
	Usage:       "restore a container from a previous checkpoint (not supported: exit code 95)",
	ArgsUsage:   "<container-id>",
	Description: `There is no checkpoint of a container in a VM. The flags are accepted.`,
	Flags: append([]cli.Flag{
		bundleFlag, consoleSocketFlag, pidFileFlag, noPivotFlag,
		cli.BoolFlag{Name: "detach, d", Usage: "detach from the container's process"},
		cli.BoolFlag{Name: "no-subreaper", Usage: "disable the use of the subreaper used to reap reparented processes"},
		cli.StringFlag{Name: "lsm-profile", Usage: "LSM profile to be used during restore in the form of TYPE:NAME"},
		cli.StringFlag{Name: "lsm-mount-context", Usage: "LSM mount context to be used during restore"},
	}, criuFlags...),
	Action: func(c *cli.Context) error {
		if err := checkArgs(c, 1, exactly); err != nil {
			return err
		}
		return &exitError{code: notSupported, err: errCheckpoint}
	},
}
