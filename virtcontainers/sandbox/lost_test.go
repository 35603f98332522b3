package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// startChild runs a shell script as a helper with a log.
func startChild(t *testing.T, script string) *child {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("sh", "-c", script)
	cmd.Stderr = file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return mind("kata-proxy", cmd, file.Name())
}

func TestLostHelper(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for script, want := range map[string]string{
		`echo 'time=1 level=error msg="console log: \"disk\" full" program=kata-proxy' >&2; exit 1`: `kata-proxy ended: exit status 1: console log: "disk" full`,
		`printf 'one\ntwo\n' >&2; exit 2`: "kata-proxy ended: exit status 2: two",
		`kill -9 $$`:                      "kata-proxy ended: signal: killed without a message",
	} {
		b := &boot{proxy: startChild(t, script), dir: &state.Dir{Path: t.TempDir()}}
		ctx, cancel := b.mindful(ctx)
		<-ctx.Done()
		var lost *lostHelper
		if cause := context.Cause(ctx); !errors.As(cause, &lost) || cause.Error() != want {
			t.Errorf("%s: %v", script, cause)
		}
		if err := b.failure(ctx, ctx.Err()); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: failure %v", script, err)
		}
		if err := b.blame(fmt.Errorf("cgroup: %w", unix.ESRCH)); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: blame %v", script, err)
		}
		cancel()
		// Its end is seen on its socket before it has been waited for.
		b = &boot{proxy: startChild(t, script), dir: &state.Dir{Path: t.TempDir()}}
		if err := b.failure(t.Context(), io.EOF); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: failure at once %v", script, err)
		}
	}
}

// A helper that runs, or that has ended as it should, is to blame for nothing.
func TestNoHelperIsLost(t *testing.T) {
	running, ended := startChild(t, "sleep 100"), startChild(t, "exit 0")
	<-ended.done
	for _, c := range []*child{running, ended, nil} {
		b := &boot{proxy: c, dir: &state.Dir{}}
		ctx, cancel := b.mindful(t.Context())
		if err := b.lost(); err != nil || ctx.Err() != nil {
			t.Errorf("%v, %v", err, ctx.Err())
		}
		if err := b.blame(unix.ENOSPC); err != unix.ENOSPC {
			t.Errorf("blame %v", err)
		}
		cancel()
	}
}
