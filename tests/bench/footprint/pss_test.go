package footprint

import (
	"os"
	"os/exec"
	"testing"
)

func TestGuestMemory(t *testing.T) {
	tests := []struct {
		name, text string
		want       Guest
		fails      bool
	}{
		{"a guest's", "MemTotal:         200 kB\nMemFree:           20 kB\nMemAvailable:      50 kB\n", Guest{200 << 10, 150 << 10}, false},
		{"empty", "", Guest{}, true},
		{"no available", "MemTotal: 200 kB\n", Guest{}, true},
		{"not a number", "MemTotal: many kB\nMemAvailable: 1 kB\n", Guest{}, true},
		{"negative", "MemTotal: -4 kB\nMemAvailable: 1 kB\n", Guest{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := GuestMemory([]byte(tt.text))
			if (err != nil) != tt.fails || got != tt.want {
				t.Errorf("GuestMemory = %v, %v; want %v, error %t", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestPSSOfThisProcess(t *testing.T) {
	n, err := PSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if n < 1<<20 || n > 1<<32 {
		t.Errorf("PSS = %d bytes, not that of a test binary", n)
	}
}

func TestDescendants(t *testing.T) {
	cmd := exec.Command("sh", "-c", "echo up; read line")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	all, err := descendants(map[int]string{os.Getpid(): "test"})
	if err != nil {
		t.Fatal(err)
	}
	if all[cmd.Process.Pid] != "test" || all[os.Getpid()] != "test" {
		t.Errorf("descendants = %v, without %d or %d", all, cmd.Process.Pid, os.Getpid())
	}
	if _, there := all[os.Getppid()]; there {
		t.Error("the parent is taken for a descendant")
	}
}

func FuzzGuestMemory(f *testing.F) {
	f.Add([]byte("MemTotal: 1 kB\nMemAvailable: 1 kB\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if g, err := GuestMemory(data); err == nil && g.Total < 0 {
			t.Errorf("GuestMemory = %v", g)
		}
	})
}
