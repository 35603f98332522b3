// Package packaging has no code: its tests call the scripts beside them, with
// programs of their own in the place of those that would change the machine.
package packaging

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stubs writes scripts for sh, by name, and answers the environment in which
// they are found before the machine's programs; more are variables.
func stubs(t *testing.T, scripts map[string]string, more ...string) []string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return append([]string{"PATH=" + dir + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir}, more...)
}

// call runs a script from the root of the repository, and answers what it
// printed on both of its streams, and its exit code.
func call(t *testing.T, env []string, script string, args ...string) (out, stderr string, code int) {
	t.Helper()
	var stdout, failures strings.Builder
	cmd := exec.Command("packaging/"+script, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "..", env, &stdout, &failures
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), failures.String(), cmd.ProcessState.ExitCode()
}

// needed is the version in go.mod.
func needed(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "\ngo ")
	version, _, _ := strings.Cut(rest, "\n")
	return version
}

// A Go that cannot build this is refused before anything is installed or made.
func TestQuickstartChecksGo(t *testing.T) {
	for name, test := range map[string]struct {
		stub string
		// refused are parts of the line that refuses it; none: it is taken.
		refused []string
	}{
		"Debian 12's":      {`echo go1.19.8`, []string{"1.19.8", needed(t), "install Go", "GOTOOLCHAIN"}},
		"before 1.10":      {`echo go1.9`, []string{"is 1.9 "}},
		"kept local":       {`echo go1.23.4`, []string{"1.23.4", needed(t)}},
		"before GOVERSION": {`echo`, []string{"unknown version", needed(t)}},
		"no way to fetch": {
			`[ "$GOTOOLCHAIN" = local ] && echo go1.21.5 && exit; echo "go: downloading"  >&2; echo "go: download go1.25.0: no route" >&2; exit 1`,
			[]string{"1.21.5", needed(t), "go: download go1.25.0: no route", "install Go"},
		},
		"broken":              {`echo "go: cannot find GOROOT" >&2; exit 2`, []string{"no Go that works", "cannot find GOROOT"}},
		"fetches one too old": {`echo "go: downloading go1.23.4 (linux/amd64)" >&2; echo go1.23.4`, []string{"is 1.23.4 "}},
		"fetches":             {`echo "go: downloading go1.99.0 (linux/amd64)" >&2; echo go1.99.0`, nil},
		"just enough":         {`echo go` + needed(t), nil},
		"later":               {`echo go1.100.2`, nil},
		"of experiments":      {`echo go1.30.1 X:nocoverageredesign`, nil},
		"from its source":     {`echo devel go1.40-1234abc`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			reached := filepath.Join(t.TempDir(), "reached")
			next := "echo $0 $* >>" + reached + "; exit 1"
			env := stubs(t, map[string]string{
				"go": test.stub, "id": "echo 0", "stat": next, "dpkg": "echo amd64",
				"dpkg-query": next, "apt-get": next, "mymake": next,
			}, "MAKE=mymake")
			_, stderr, code := call(t, env, "quickstart.sh")
			_, err := os.Stat(reached)
			if code == 0 || (err == nil) != (test.refused == nil) {
				t.Fatalf("code %d, what follows the check: %v; printed %q", code, err, stderr)
			}
			if test.refused != nil && (!strings.HasPrefix(stderr, "quickstart: ") || strings.Count(stderr, "\n") != 1) {
				t.Errorf("not one line: %q", stderr)
			}
			for _, part := range test.refused {
				if !strings.Contains(stderr, part) {
					t.Errorf("no %q in %q", part, stderr)
				}
			}
		})
	}
}

func TestQuickstartRefuses(t *testing.T) {
	never := "echo called $0 >&2; exit 1"
	for want, test := range map[string]struct{ uid, extra string }{
		"quickstart: DESTDIR=/x: ":        {"0", "DESTDIR=/x"},
		"quickstart: run it as root":      {"1000", "X="},
		"quickstart: nogo is not in PATH": {"0", "GO=nogo"},
	} {
		env := stubs(t, map[string]string{"go": "echo go1.100", "id": "echo " + test.uid, "dpkg-query": never, "apt-get": never, "mymake": never}, "MAKE=mymake", test.extra)
		_, stderr, code := call(t, env, "quickstart.sh")
		if code != 1 || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: code %d, printed %q", test.extra, code, stderr)
		}
	}
}
