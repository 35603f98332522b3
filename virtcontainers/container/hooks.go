package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// RunHooks runs the hooks of one stage on the host, in order, each with the
// container's state on its standard input (runtime-spec, config.md, "POSIX-platform
// Hooks"). The first that fails ends the stage, but after the start
// and the stop the others run all the same, and the error is of all. dir is their
// working directory, from which a relative path leads to a program; start begins a
// hook's process, in the namespace that the stage asks for. env is what a hook gets
// to whose environment the document says nothing.
func RunHooks(ctx context.Context, stage string, hooks []specs.Hook, state *specs.State, dir string, env []string, start func(*exec.Cmd) error) error {
	if len(hooks) == 0 {
		return nil
	}
	input, err := json.Marshal(state)
	if err != nil {
		return err
	}
	var failed error
	for i, hook := range hooks {
		if hook.Env == nil {
			hook.Env = env
		}
		err := runHook(ctx, hook, input, dir, start)
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s hook %d (%s): %w", stage, i, hook.Path, err)
		if failed != nil {
			err = fmt.Errorf("%w; %w", failed, err)
		}
		failed = err
		if !goesOn(stage) || ctx.Err() != nil {
			break
		}
	}
	return failed
}

// goesOn tells whether a stage's other hooks run after one that failed
// (runtime-spec, runtime.md, "Lifecycle").
func goesOn(stage string) bool { return stage == "poststart" || stage == "poststop" }

// outputDelay is how long a hook's children may hold its output open after it
// has ended: a hook that leaves a daemon behind must not hang the container.
const outputDelay = time.Second

func runHook(ctx context.Context, hook specs.Hook, input []byte, dir string, start func(*exec.Cmd) error) error {
	if hook.Timeout != nil {
		if *hook.Timeout <= 0 {
			return fmt.Errorf("timeout %d must be more than 0 seconds", *hook.Timeout)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*hook.Timeout)*time.Second)
		defer cancel()
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, hook.Path)
	cmd.Path, cmd.Err = hook.Path, nil // not looked for in our PATH
	cmd.Dir = dir
	if len(hook.Args) > 0 {
		cmd.Args = hook.Args
	}
	// An empty list is an empty environment, not this process's.
	cmd.Env = append([]string{}, hook.Env...)
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// With its children: they are in its process group.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputDelay
	err := start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it succeeded; a child of it still holds the output
	case err != nil && ctx.Err() == context.DeadlineExceeded && hook.Timeout != nil:
		return fmt.Errorf("hook ran past its timeout of %d s and was killed", *hook.Timeout)
	case err != nil && output.Len() > 0:
		return fmt.Errorf("%w: %s", err, lastLine(output.String()))
	}
	return err
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
