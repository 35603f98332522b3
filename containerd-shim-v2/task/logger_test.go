package task

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program writes a shell script.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "logger")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogger(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	path := program(t, `exec >"$2"
echo "$CONTAINER_ID $CONTAINER_NAMESPACE $#: $1 $3"
exec 5>&-
cat <&3 | sed 's/^/out: /'
cat <&4 | sed 's/^/err: /'
`)
	s, err := openStdio(streams{stdout: "binary://" + path + "?to=" + log + "&with%20space", stderr: "ignored"}, "box", "ns")
	if err != nil {
		t.Fatal(err)
	}
	// It is ready, so its first line is there.
	if data, err := os.ReadFile(log); err != nil || string(data) != "box ns 3: to with space\n" {
		t.Errorf("%q, %v", data, err)
	}
	for text, to := range map[string]*outlet{"one\n": s.stdout, "two\n": s.stderr} {
		if _, err := to.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}
	s.close()
	// It has ended, so all is there.
	if data, err := os.ReadFile(log); err != nil || !strings.HasSuffix(string(data), "\nout: one\nerr: two\n") {
		t.Errorf("%q, %v", data, err)
	}
}

func TestLoggerThatEndsAtOnce(t *testing.T) {
	s, err := openStdio(streams{stdout: "binary://" + program(t, "exit 3")}, "box", "ns")
	if err != nil {
		t.Fatal(err)
	}
	<-s.logger.done
	if _, err := s.stdout.Write([]byte("x")); err == nil {
		t.Error("nobody reads, and nobody says so")
	}
	s.close()
}

func TestLoggerThatDoesNotEnd(t *testing.T) {
	s, err := openStdio(streams{stdout: "binary://" + program(t, "exec 5>&-; trap 'exit 0' TERM; while :; do sleep 0.1; done")}, "box", "ns")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.close()
	if took := time.Since(began); took < loggerEnd || took > 2*loggerEnd {
		t.Errorf("it was given %s", took)
	}
}

func TestLoggersThatAreRefused(t *testing.T) {
	for uri, want := range map[string]string{
		"binary://logger":          "absolute",
		"binary:///no/such/logger": "no such file",
		"binary:///a%zz":           "invalid URL escape",
	} {
		if _, err := openStdio(streams{stdout: uri}, "box", "ns"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
