package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli"
)

// version and commit are set by the linker (-X main.version=... -X main.commit=...).
var (
	version = "0.0.0-unset"
	commit  = ""
)

var versionCommand = cli.Command{
	Name:      "version",
	Usage:     "show the version",
	ArgsUsage: " ",
	Description: `Show the versions of kata-runtime, of the OCI runtime specification that it
   keeps, and of the Go toolchain that built it.`,
	Action: func(ctx *cli.Context) error {
		if err := wantArgs(ctx, 0); err != nil {
			return err
		}
		printVersion(ctx)
		return nil
	},
}

// printVersion is for cli.VersionPrinter too, so that --version prints the same.
func printVersion(ctx *cli.Context) {
	fmt.Fprintf(ctx.App.Writer, "%s version %s\n", ctx.App.Name, versionText())
}

// versionText has the form of runc's: engines show it as it is, and Docker
// reads the lines "commit:" and "spec:".
func versionText() string {
	lines := []string{version}
	if c := builtFrom(); c != "" {
		lines = append(lines, "commit: "+c)
	}
	lines = append(lines, "spec: "+specs.Version, "go: "+runtime.Version())
	return strings.Join(lines, "\n")
}

// builtFrom is the commit: the linker's, or else the one that go build noted.
func builtFrom() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}
