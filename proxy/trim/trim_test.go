package trim

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// appendTo opens a file as QEMU gets its log.
func appendTo(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// keep is Keep, and tells what is cut.
func keep(t *testing.T, paths ...string) <-chan string {
	t.Helper()
	cuts := make(chan string, 100)
	l, err := start(slog.New(slog.DiscardHandler), func(path string) { cuts <- path }, paths...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return cuts
}

// wantCut waits until path is cut.
func wantCut(t *testing.T, cuts <-chan string, path string) {
	t.Helper()
	select {
	case got := <-cuts:
		if got != path {
			t.Errorf("%s is cut, want %s", got, path)
		}
	case <-time.After(time.Minute):
		t.Fatal(path + " is not cut")
	}
}

// lines are so many bytes of different lines at least.
func lines(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "a line with the number %d\n", i)
	}
	return b.Bytes()
}

func TestTheEndOfALogStays(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "qemu.log"), filepath.Join(t.TempDir(), "virtiofsd.log")
	qemu, daemon := appendTo(t, one), appendTo(t, two)
	cuts := keep(t, one, two)
	for path, file := range map[string]*os.File{one: qemu, two: daemon} {
		var left []byte
		for range 2 { // and again
			// As much as may be, and then a line more: so what is cut is complete.
			all := append(left, lines(MaxFile)[:MaxFile-len(left)]...)
			if _, err := file.Write(all[len(left):]); err != nil {
				t.Fatal(err)
			}
			all = append(all, "the last\n"...)
			if _, err := io.WriteString(file, "the last\n"); err != nil {
				t.Fatal(err)
			}
			wantCut(t, cuts, path)
			var err error
			if left, err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
			if len(left) > kept || len(left) < kept-100 || !bytes.HasPrefix(left, []byte("a line")) || !bytes.HasSuffix(all, left) {
				t.Errorf("%d bytes are left, which begin with %.30q", len(left), left)
			}
		}
		if _, err := io.WriteString(file, "more\n"); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != string(left)+"more\n" {
			t.Errorf("what is written later is not at its end (%v)", err)
		}
	}
}

func TestALogThatWasLargeBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qemu.log")
	if _, err := appendTo(t, path).Write(bytes.Repeat([]byte("x"), MaxFile+1)); err != nil {
		t.Fatal(err)
	}
	wantCut(t, keep(t, path), path)
	if info, err := os.Stat(path); err != nil || info.Size() != kept {
		t.Errorf("%v, %v", info, err)
	}
}

func TestShortLogsAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	short, long := filepath.Join(dir, "short.log"), filepath.Join(dir, "long.log")
	if _, err := appendTo(t, short).Write(bytes.Repeat([]byte("x"), MaxFile)); err != nil {
		t.Fatal(err)
	}
	file := appendTo(t, long)
	cuts := keep(t, short, long)
	if _, err := file.Write(bytes.Repeat([]byte("x"), MaxFile+1)); err != nil {
		t.Fatal(err)
	}
	wantCut(t, cuts, long)
	if info, err := os.Stat(short); err != nil || info.Size() != MaxFile {
		t.Errorf("%v, %v", info, err)
	}
}

func TestNoSuchLog(t *testing.T) {
	if _, err := Keep(slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a log that is not there is no error")
	}
}
