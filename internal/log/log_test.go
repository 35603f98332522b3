package log

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"
)

func TestJSONHasTheKeysThatEnginesRead(t *testing.T) {
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "debug", slog.LevelInfo: "info", slog.LevelWarn: "warning", slog.LevelError: "error",
		slog.LevelError + 4: "error",
	} {
		var b bytes.Buffer
		logger(t, &b, JSON, true).Log(t.Context(), level, "no \"such\" <file>\nhere", "err", errors.New("bad\x1b[2J"), "msg", "mine")
		if n := strings.Count(b.String(), "\n"); n != 1 {
			t.Errorf("%d lines in %q", n, b.String())
		}
		var line struct {
			Level, Msg, Err string
			Time            time.Time
			Mine            string `json:"fields.msg"`
		}
		if err := json.Unmarshal(b.Bytes(), &line); err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		if line.Level != want || line.Msg != "no \"such\" <file>\nhere" || line.Err != "bad\x1b[2J" || line.Mine != "mine" || line.Time.IsZero() {
			t.Errorf("%v: got %+v", level, line)
		}
	}
}

func TestTextHoldsNoControlCharacters(t *testing.T) {
	var b bytes.Buffer
	logger(t, &b, Text, false).With("sandbox", "s1").WithGroup("vm").Error("it\nfailed", "console", "\x1b[31mred", "pid", 7, slog.Group("g", "k", true))
	line, ok := strings.CutSuffix(b.String(), "\n")
	if !ok || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
		t.Errorf("control characters in %q", b.String())
	}
	_, rest, _ := strings.Cut(line, `" level=`)
	want := `error msg="it\nfailed" sandbox=s1 vm.console="\x1b[31mred" vm.pid=7 vm.g.k=true`
	if rest != want {
		t.Errorf("got  %s\nwant %s", rest, want)
	}
	if !strings.HasPrefix(line, `time="2`) {
		t.Errorf("no time in %q", line)
	}
}

func TestDebugIsDropped(t *testing.T) {
	var b bytes.Buffer
	logger(t, &b, Text, false).Debug("x")
	if b.Len() > 0 {
		t.Errorf("got %q", b.String())
	}
}

// The handler keeps slog's contract, groups flattened to dotted keys.
func TestHandlerContract(t *testing.T) {
	var b bytes.Buffer
	results := func() []map[string]any {
		var all []map[string]any
		for line := range strings.Lines(b.String()) {
			flat, tree := map[string]any{}, map[string]any{}
			if err := json.Unmarshal([]byte(line), &flat); err != nil {
				t.Fatal(err)
			}
			for key, v := range flat {
				at := tree
				parts := strings.Split(key, ".")
				for _, p := range parts[:len(parts)-1] {
					if at[p] == nil {
						at[p] = map[string]any{}
					}
					at = at[p].(map[string]any)
				}
				at[parts[len(parts)-1]] = v
			}
			all = append(all, tree)
		}
		return all
	}
	if err := slogtest.TestHandler(logger(t, &b, JSON, true).Handler(), results); err != nil {
		t.Error(err)
	}
}

func TestOpenAppendsAndHides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.json")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			f, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for range 50 {
				logger(t, f, JSON, false).Info("line")
			}
		})
	}
	wg.Wait()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if !json.Valid([]byte(line)) {
			t.Fatalf("line %d is torn: %q", n, line)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if n != 200 || info.Mode().Perm() != 0o600 {
		t.Errorf("%d lines, mode %v", n, info.Mode())
	}
	if _, err := Open(filepath.Join(path, "x")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestUnknownFormat(t *testing.T) {
	for _, format := range []string{"", "JSON", "xml"} {
		if l, err := New(io.Discard, format, false); err == nil || l != nil {
			t.Errorf("%q: %v, %v", format, l, err)
		}
	}
}

func logger(t *testing.T, w io.Writer, format string, debug bool) *slog.Logger {
	t.Helper()
	l, err := New(w, format, debug)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
