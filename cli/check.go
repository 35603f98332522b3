package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/config"
)

var checkCommand = cli.Command{
	Name:      "kata-check",
	Aliases:   []string{"check"},
	Usage:     "check whether this host can run containers in virtual machines",
	ArgsUsage: " ",
	Description: `Check the configuration, the programs and files that it names, and what is
   needed of the host's kernel. Each check prints its result (ok, warn or fail),
   what was found, and for a result other than ok what to do. The exit code is
   not 0 if a check fails; warnings do not count.

   With --boot a virtual machine is started and the kernel that answers in it
   compared with the host's: the only full proof.`,
	Flags: []cli.Flag{
		cli.BoolFlag{Name: "json", Usage: "print JSON"},
		cli.BoolFlag{Name: "boot", Usage: "start a virtual machine and end it again"},
		cli.DurationFlag{Name: "boot-timeout", Value: 2 * time.Minute, Usage: "give up on --boot after this `TIME`"},
	},
	Action: func(ctx *cli.Context) error {
		if err := wantArgs(ctx, 0); err != nil {
			return err
		}
		env := envOf(ctx)
		in := checkInput{root: env.Root, boot: env.bootProbe}
		in.config, in.origins, in.configErr = config.Load(env.configPath)
		// A VM that was booted for --boot is not left behind.
		until, stop := interruptible()
		defer stop()
		results := runChecks(until, &in)
		if ctx.Bool("boot") {
			results = append(results, checkBoot(until, &in, ctx.Duration("boot-timeout")))
		}
		if err := printChecks(ctx.App.Writer, results, ctx.Bool("json")); err != nil {
			return err
		}
		return verdict(results)
	},
}

// checkInput is what checks look at. config is nil if configErr is not.
type checkInput struct {
	config    *config.Config
	origins   *config.Origins
	configErr error
	// root is the folder of the sandboxes' state.
	root string
	// boot is how --boot boots a VM.
	boot func(context.Context, *config.Config) (bootResult, error)
}

// outcome of a check.
type outcome string

const (
	checkOK   outcome = "ok"
	checkWarn outcome = "warn"
	checkFail outcome = "fail"
)

// checkResult is one line of the table.
type checkResult struct {
	Name   string  `json:"name"`
	Result outcome `json:"result"`
	// Cause is what was found.
	Cause string `json:"cause"`
	// Remedy is what to do about it; empty if there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
}

func ok(cause string, args ...any) checkResult {
	return checkResult{Result: checkOK, Cause: fmt.Sprintf(cause, args...)}
}

func warn(remedy, cause string, args ...any) checkResult {
	return checkResult{Result: checkWarn, Cause: fmt.Sprintf(cause, args...), Remedy: remedy}
}

func fail(remedy, cause string, args ...any) checkResult {
	return checkResult{Result: checkFail, Cause: fmt.Sprintf(cause, args...), Remedy: remedy}
}

// check is one entry of the table of checks.
type check struct {
	name string
	run  func(context.Context, *checkInput) checkResult
	// configured checks look at the configuration and are left out without one.
	configured bool
}

// checks are all that need no VM, in the order in which they are printed.
func checks() []check {
	return []check{
		{"privileges", checkRoot, false},
		{"configuration", checkConfig, false},
		{"qemu", checkQEMU, true},
		{"accelerator", checkAccelerator, true},
		{"translations", checkTranslations, true},
		{"kernel", checkKernel, true},
		{"guest image", checkGuestRoot, true},
		{"machine", checkMachine, true},
		{"kata-shim", checkShim, true},
		{"kata-proxy", checkProxy, true},
		{"shared folder", checkShare, true},
		{"agent channel", checkChannel, true},
		{"tun", checkTun, false},
		{"tc", checkTC, true},
		{"cgroups", checkCgroups, false},
		{"overlay", checkOverlay, false},
		{"state folder", checkState, false},
		{"memory", checkMemory, true},
	}
}

// checkDeadline limits all checks without a VM together: the programs that
// they call for their version answer at once or not at all.
const checkDeadline = 20 * time.Second

func runChecks(ctx context.Context, in *checkInput) []checkResult {
	ctx, cancel := context.WithTimeout(ctx, checkDeadline)
	defer cancel()
	var results []checkResult
	for _, c := range checks() {
		if c.configured && in.config == nil {
			continue
		}
		r := c.run(ctx, in)
		r.Name = c.name
		results = append(results, r)
	}
	return results
}

// verdict is the error for the exit code.
func verdict(results []checkResult) error {
	var failed []string
	for _, r := range results {
		if r.Result == checkFail {
			failed = append(failed, r.Name)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d checks failed: %s", len(failed), len(results), strings.Join(failed, ", "))
}

func printChecks(w io.Writer, results []checkResult, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(results)
	}
	width := 0
	for _, r := range results {
		width = max(width, len(r.Name))
	}
	for _, r := range results {
		if _, err := fmt.Fprintf(w, "%-*s  %-4s  %s\n", width, r.Name, r.Result, r.Cause); err != nil {
			return err
		}
		if r.Remedy != "" && r.Result != checkOK {
			if _, err := fmt.Fprintf(w, "%-*s        %s\n", width, "", "-> "+r.Remedy); err != nil {
				return err
			}
		}
	}
	return nil
}
