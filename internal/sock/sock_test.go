package sock

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPathBeyondSunPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("d", 120), "s.sock")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	// The backlog takes the connection: nobody has to accept.
	conn, err := Dial(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestErrorsNameThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "s.sock")
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Listen: %v", err)
	}
	if _, err := Dial(context.Background(), path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Dial: %v", err)
	}
}
