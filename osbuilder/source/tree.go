// Package source patches and builds a program from its source.
package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Tree is a program's source in a folder.
type Tree struct {
	Dir string
	// Env is what programs get besides our own environment.
	Env []string
	// Log gets all that they print.
	Log io.Writer
}

// Run runs a program in the folder. Its output goes to stdout, too, if that is not
// nil. An error carries the first line of what it said on standard error.
func (t Tree) Run(ctx context.Context, stdout io.Writer, name string, args ...string) error {
	return t.RunWith(ctx, nil, stdout, name, args...)
}

// RunWith is Run with a standard input.
func (t Tree) RunWith(ctx context.Context, stdin io.Reader, stdout io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = stdin
	cmd.Dir = t.Dir
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), t.Env...)
	var tail bytes.Buffer
	cmd.Stdout = t.Log
	if stdout != nil {
		cmd.Stdout = io.MultiWriter(t.Log, stdout)
	}
	cmd.Stderr = io.MultiWriter(t.Log, &tail)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lines := strings.Split(strings.TrimSpace(tail.String()), "\n")
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lines[0])
	}
	return nil
}

// Compiler answers the line by which the C compiler names itself: another one
// makes other bytes. packages is the make target that installs it.
func Compiler(ctx context.Context, packages string) (string, error) {
	out, err := exec.CommandContext(ctx, "gcc", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("gcc: %w (install the packages that \"make %s\" names)", err, packages)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}
