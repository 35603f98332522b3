package container

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/proc"
)

func run(t *testing.T, hooks ...specs.Hook) error {
	t.Helper()
	return RunHooks(t.Context(), "prestart", hooks, &specs.State{ID: "c1", Pid: 42}, "", []string{"GIVEN=to hooks without one"}, (*exec.Cmd).Start)
}

func shell(script string, env ...string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"hook", "-c", script}, Env: env}
}

func TestHookGetsTheStateAndItsOwnEnvironment(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("LEAK", "of the runtime's environment")
	if err := run(t, shell("{ cat; env; } >"+out, "FOO=bar")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var state specs.State
	if err := json.NewDecoder(strings.NewReader(string(data))).Decode(&state); err != nil || state.ID != "c1" || state.Pid != 42 {
		t.Errorf("state %+v, %v", state, err)
	}
	if text := string(data); !strings.Contains(text, "FOO=bar") || strings.Contains(text, "LEAK") || strings.Contains(text, "GIVEN") {
		t.Errorf("environment: %s", text)
	}
}

func TestHookWithoutAnEnvironmentGetsWhatIsGiven(t *testing.T) {
	t.Setenv("LEAK", "of the runtime's environment")
	for want, env := range map[string][]string{"to hooks without one": nil, "": {}} {
		out := filepath.Join(t.TempDir(), "out")
		hook := shell("echo $GIVEN$LEAK >" + out)
		hook.Env = env
		if err := run(t, hook); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(out); err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%v: %q, %v, want %q", env, got, err, want)
		}
	}
}

func TestHookBeginsInItsFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hook"), []byte("#!/bin/sh\necho >ran\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := RunHooks(t.Context(), "createRuntime", []specs.Hook{{Path: "hook"}}, &specs.State{}, dir, nil, (*exec.Cmd).Start); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err != nil {
		t.Error(err)
	}
}

func TestHooksRunInOrderUntilOneFails(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	err := run(t, shell("echo 1 >>"+out), shell("echo first; echo the reason >&2; exit 3"), shell("echo 3 >>"+out))
	if err == nil || !strings.Contains(err.Error(), "prestart hook 1 (/bin/sh)") || !strings.Contains(err.Error(), "the reason") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
	if data, _ := os.ReadFile(out); string(data) != "1\n" {
		t.Errorf("ran %q", data)
	}
}

func TestHookThatHangsIsKilledWithItsChildren(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	hook := shell("sleep 1000 & echo $! >" + pidFile + "; wait")
	hook.Timeout = new(int)
	*hook.Timeout = 1
	if err := run(t, hook); err == nil || !strings.Contains(err.Error(), "timeout of 1 s") {
		t.Errorf("error %v", err)
	}
	data, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	child, err := proc.Of(pid)
	if err != nil {
		return // gone
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := child.Wait(ctx); err != nil {
		unix.Kill(pid, unix.SIGKILL)
		t.Errorf("the hook's child lives on: %v", err)
	}
}

func TestHookMayLeaveADaemon(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	if err := run(t, shell("sleep 1000 & echo $! >"+pidFile)); err != nil {
		t.Errorf("error %v", err)
	}
	data, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
		unix.Kill(pid, unix.SIGKILL)
	}
}

func TestHookThatIsMissing(t *testing.T) {
	if err := run(t, specs.Hook{Path: "/no/such/hook"}); err == nil || !strings.Contains(err.Error(), "/no/such/hook") {
		t.Errorf("error %v", err)
	}
}

func TestHooksEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := RunHooks(ctx, "poststop", []specs.Hook{shell("sleep 1000")}, &specs.State{}, "", nil, (*exec.Cmd).Start)
	if err == nil {
		t.Error("no error")
	}
}

func TestHooksAfterOneThatFails(t *testing.T) {
	for stage, want := range map[string]bool{"prestart": false, "createRuntime": false, "poststart": true, "poststop": true} {
		out := filepath.Join(t.TempDir(), "out")
		hooks := []specs.Hook{{Path: "/bin/false"}, shell("exit 7"), shell("echo >" + out)}
		err := RunHooks(t.Context(), stage, hooks, &specs.State{}, "", nil, (*exec.Cmd).Start)
		_, ran := os.Stat(out)
		if err == nil || (ran == nil) != want || strings.Contains(err.Error(), "status 7") != want || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, and the last: %v", stage, err, ran)
		}
	}
}
