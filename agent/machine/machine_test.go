package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCountList(t *testing.T) {
	for list, want := range map[string]uint32{"0": 1, "0-3": 4, "0-1,4,6-7": 5, "": 0} {
		if got, err := countList(list); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", list, got, err, want)
		}
	}
	for _, list := range []string{"x", "3-1", "1-", "-1", "99999999"} {
		if got, err := countList(list); err == nil {
			t.Errorf("%q: %d, no error", list, got)
		}
	}
}

func FuzzCountList(f *testing.F) {
	f.Add("0-3,5")
	f.Fuzz(func(_ *testing.T, list string) { countList(list) })
}

func TestMemInfo(t *testing.T) {
	m := parseMemInfo([]byte("MemTotal:  2 kB\nHugePages_Total: 3\nbroken\nMemFree: x kB\n"))
	if m["MemTotal"] != 2048 || m["HugePages_Total"] != 3 || len(m) != 2 {
		t.Errorf("%v", m)
	}
}

func TestDetailsAndMetrics(t *testing.T) {
	d, err := Details(true)
	if err != nil || d.Kernel == "" || d.Cpus == 0 || d.MemoryTotal == 0 || d.MemoryAvailable > d.MemoryTotal || len(d.Filesystems) == 0 || !d.AgentIsInit || !filepath.IsAbs(d.AgentPath) {
		t.Errorf("%+v, %v", d, err)
	}
	text, err := Metrics(3)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kata_agent_resident_memory_bytes", "kata_guest_memory_free_bytes", "kata_guest_load1", "kata_agent_containers 3"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("no %s in\n%s", name, text)
		}
	}
}

func TestOnlineAll(t *testing.T) {
	dir := t.TempDir()
	for name, word := range map[string]string{"memory1": "offline\n", "memory2": "online\n", "memory3": "going-offline\n"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "state"), []byte(word), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := onlineAll(dir+"/memory[0-9]*/state", "offline", "online"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"memory1": "online", "memory2": "online\n", "memory3": "going-offline\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name, "state")); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	if err := SetClock(0); !errors.Is(err, ErrInvalid) {
		t.Errorf("SetClock = %v", err)
	}
	for _, n := range []int{0, maxEntropy + 1} {
		if err := AddEntropy(make([]byte, n)); !errors.Is(err, ErrInvalid) {
			t.Errorf("AddEntropy of %d = %v", n, err)
		}
	}
	if err := AddEntropy([]byte("some bytes that are not very random")); err != nil {
		t.Error(err)
	}
}
