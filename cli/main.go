// Command kata-runtime runs OCI containers, each sandbox in a virtual machine
// of its own. Its command line is runc's.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/userns"
	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/config"
	"github.com/kata-go/kata-runtime/internal/inherit"
	"github.com/kata-go/kata-runtime/internal/log"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

const (
	name        = "kata-runtime"
	defaultRoot = "/run/kata-containers"
	usage       = `OCI runtime that runs each container or pod in its own virtual machine

   A drop-in for runc: docker, podman, CRI-O and containerd call it as they call
   runc. See kata-runtime(8), and "kata-runtime kata-check" for what this host
   can do.`
)

var globalFlags = []cli.Flag{
	cli.BoolFlag{Name: "debug", Usage: "enable debug logging"},
	cli.StringFlag{Name: "log", Usage: "set the log file to write " + name + " logs to (default is '/dev/stderr')"},
	cli.StringFlag{Name: "log-format", Value: "text", Usage: "set the log format ('text' (default), or 'json')"},
	cli.StringFlag{Name: "root", Value: defaultRoot, Usage: "root directory for storage of container state (this should be located in tmpfs)"},
	cli.StringFlag{Name: "kata-config", Usage: "configuration file in place of the default ones", EnvVar: "KATA_CONF_FILE"},
	// Kata's name for it. make install asks by it what a binary was built for.
	cli.BoolFlag{Name: "show-default-config-paths", Usage: "show where the configuration file is looked for, in order, and exit"},
	cli.BoolFlag{Name: "systemd-cgroup", Usage: "enable systemd cgroup support, expects cgroupsPath to be of form \"slice:prefix:name\""},
	cli.StringFlag{Name: "rootless", Value: "auto", Usage: "accepted for compatibility ('true', 'false', or 'auto')"},
	cli.StringFlag{Name: "criu", Usage: "accepted for compatibility: checkpoint is not supported", Hidden: true},
}

func main() {
	inherit.Nothing()
	os.Exit(realMain(os.Args))
}

// realMain answers the exit code.
func realMain(args []string) int {
	app := newApp()
	err := app.Run(args)
	if err == nil {
		return 0
	}
	var exit *exitError
	code := 1
	if errors.As(err, &exit) {
		code = exit.code
		if exit.err == nil {
			return code // the container's own exit code says all
		}
	}
	report(app, err)
	return code
}

// report writes the error to the log, where engines look for the last error,
// and to standard error, for a person.
func report(app *cli.App, err error) {
	env, ok := app.Metadata[envKey].(*runtimeEnv)
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return
	}
	// Joined errors have a line each; readers of logs take the last line alone.
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	env.Log.Error(text)
	if env.logsToFile {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, text)
	}
}

func newApp() *cli.App {
	app := cli.NewApp()
	app.Name, app.Usage, app.Version = name, usage, versionText()
	app.Flags = globalFlags
	app.Commands = commands
	app.Before = setup
	app.Metadata = map[string]any{}
	app.CommandNotFound = func(c *cli.Context, command string) {
		fmt.Fprintf(os.Stderr, "%s: unknown command %q: see %s --help\n", name, command, name)
		os.Exit(unknownVerb)
	}
	// urfave's own exit would skip the log.
	app.ExitErrHandler = func(*cli.Context, error) {}
	return app
}

// unknownVerb is runc's exit code for a verb that it does not have.
const unknownVerb = 3

var commands = []cli.Command{
	createCommand, startCommand, stateCommand, killCommand, deleteCommand,
	runCommand, execCommand, listCommand, psCommand, pauseCommand, resumeCommand,
	updateCommand, eventsCommand, checkpointCommand, restoreCommand, specCommand, featuresCommand, versionCommand,
	checkCommand, envCommand, networkCommand, volumeCommand, factoryCommand, completionCommand,
}

// setup reads the global flags. The configuration is read only by the verbs
// that need it: a mistake in it must not keep a container from being killed.
func setup(c *cli.Context) error {
	if c.Bool("show-default-config-paths") {
		fmt.Fprintln(c.App.Writer, strings.Join(config.Paths(), "\n"))
		return &exitError{}
	}
	if c.String("root") == "" {
		return errors.New("--root must not be empty")
	}
	env := &runtimeEnv{systemdCgroup: c.Bool("systemd-cgroup")}
	var path string
	if !c.IsSet("root") {
		if err := c.Set("root", rootFor(userns.RunningInUserNS(), os.Getenv("XDG_RUNTIME_DIR"))); err != nil {
			return err
		}
	}
	for flag, to := range map[string]*string{"root": &env.Root, "kata-config": &env.configPath, "log": &path} {
		var err error
		if *to, err = absolute(c.String(flag)); err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
	}
	var out io.Writer = os.Stderr
	if path != "" {
		f, err := log.Open(path)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		env.logsToFile, out = true, f
		env.logTarget = container.LogTarget{File: path, Format: c.String("log-format")}
	}
	format := c.String("log-format")
	if _, err := log.New(out, format, false); err != nil {
		return fmt.Errorf("--log-format: %w", err)
	}
	if rootless := c.String("rootless"); rootless != "" && !strings.EqualFold(rootless, "auto") {
		if _, err := strconv.ParseBool(rootless); err != nil {
			return fmt.Errorf("--rootless: %q is neither true nor false nor auto", rootless)
		}
	}
	env.logger = func(debug bool) *slog.Logger {
		logger, err := log.New(out, format, debug)
		if err != nil {
			panic(err) // the format was checked
		}
		return logger
	}
	env.Log = env.logger(c.Bool("debug"))
	c.App.Metadata[envKey] = env
	return nil
}

// rootFor answers where a container's state is if nobody says: a rootless engine
// has it, as with runc, in its user's own runtime folder.
func rootFor(rootless bool, runtimeDir string) string {
	if rootless && runtimeDir != "" {
		return filepath.Join(runtimeDir, "kata-containers")
	}
	return defaultRoot
}

// absolute is for a path that goes to processes with another working directory.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

// exitError carries an exit code other than 1. err is nil where the code is a
// container's, and there is nothing to report.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exitCode(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// cleanupContext is for what must be finished once it has begun.
func cleanupContext() context.Context { return context.Background() }

type argCheck int

const (
	exactly argCheck = iota
	atLeast
	atMost
)

// checkArgs shows the verb's help and fails if the number of arguments is wrong.
func checkArgs(c *cli.Context, want int, check argCheck) error {
	n := c.NArg()
	var rule string
	switch {
	case check == exactly && n != want:
		rule = "exactly"
	case check == atLeast && n < want:
		rule = "a minimum of"
	case check == atMost && n > want:
		rule = "a maximum of"
	default:
		return nil
	}
	fmt.Fprintf(os.Stderr, "Incorrect Usage.\n\n")
	out := c.App.Writer
	c.App.Writer = os.Stderr
	cli.ShowCommandHelp(c, c.Command.Name)
	c.App.Writer = out
	return fmt.Errorf("%q requires %s %d argument(s)", c.Command.Name, rule, want)
}
