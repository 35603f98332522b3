package work

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	program, err := Compile(context.Background(), filepath.Join(dir, "build"))
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func() (string, error) {
		out, err := exec.Command(program, "disk", "2", "50", folder).Output()
		return string(out), err
	}
	if out, err := run(); err == nil {
		t.Errorf("without %s: %s", DataFile, out)
	}
	if err := os.WriteFile(filepath.Join(folder, DataFile), make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	results, err := Results("[    0.1] a kernel's line\n"+out, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Folder != folder || r.Measure != Measures[i] || r.Seconds > 60 {
			t.Errorf("result %d is %+v", i, r)
		}
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := Results(out, 2); !errors.Is(err, errFew) {
		t.Errorf("results of one folder for two: %v", err)
	}
}

func TestServe(t *testing.T) {
	program, err := Compile(context.Background(), filepath.Join(t.TempDir(), "build"))
	if err != nil {
		t.Fatal(err)
	}
	// A port that is free now; a test that loses the race for it fails loudly.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(program, "serve", port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	if err := Ready(out); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	c := Client{Dial: func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", address) }}
	for name, f := range map[string]func() error{
		"in":   func() error { _, err := c.In(ctx, 10<<20); return err },
		"out":  func() error { _, err := c.Out(ctx, 10<<20); return err },
		"echo": func() error { _, err := c.Echo(ctx, 20); return err },
	} {
		if err := f(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func FuzzResults(f *testing.F) {
	f.Add("result /mnt read 1.5\n", 1)
	f.Fuzz(func(_ *testing.T, out string, folders int) {
		_, _ = Results(out, folders)
	})
}
