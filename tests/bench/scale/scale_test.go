package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

func TestConfigure(t *testing.T) {
	o, err := parse([]string{"-dir", t.TempDir(), "-ready", "3", "-counts", "1,20"})
	if err != nil || len(o.counts) != 2 || o.counts[1] != 20 {
		t.Fatalf("%+v, %v", o, err)
	}
	// What is installed, and what is filled in.
	o.config = "../../../configuration.toml.in"
	for mode, want := range map[string][]string{
		cold:     {"\ndefault_memory = 128\n", "\n#enable_template = false\n", "\n#vm_cache_number = 0\n"},
		template: {"\nenable_template = true\n", "\n#vm_cache_number = 0\n"},
		cached:   {"\nenable_template = true\n", "\nvm_cache_number = 3\n"},
	} {
		path, err := configure(o, mode)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range want {
			if !strings.Contains(string(text), line) {
				t.Errorf("%s lacks %q", mode, line)
			}
		}
	}
	if _, err := configure(o, "nonsense"); err == nil {
		t.Error("a mode that does not exist")
	}
	o.config = filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(o.config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := configure(o, cold); err == nil {
		t.Error("a configuration without the keys")
	}
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{{"-counts", "0"}, {"-counts", "a"}, {"-at-once", "0"}, {"more"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestEachKeepsTheLimit(t *testing.T) {
	var running, most, calls int
	each(50, 4, func(_ int, mu *sync.Mutex) {
		mu.Lock()
		running++
		calls++
		most = max(most, running)
		mu.Unlock()
		mu.Lock()
		running--
		mu.Unlock()
	})
	if calls != 50 || most > 4 {
		t.Errorf("%d calls, %d at a time", calls, most)
	}
}

func TestMade(t *testing.T) {
	for want, args := range map[string]string{
		cold: "-name scale-1,debug-threads=on", template: "-name scale-1 -incoming defer", cached: "-name vm-12 -incoming defer",
	} {
		if got := made(strings.Fields(args)); got != want {
			t.Errorf("%s: %s", args, got)
		}
	}
}

func TestTable(t *testing.T) {
	got := table([]row{
		{Mode: cold, Count: 1, Start: series.Stats{Median: 2, Min: 1, Max: 3}, PSS: 3 * mib},
		{Mode: cold, Count: 10, Start: series.Stats{Median: 3}, Lost: []string{"x"}},
	})
	for _, want := range []string{"| cold | 1 | 2.00 s (1.00 to 3.00) | 1.00 | 0.0 s | 3.0 MiB |", "| cold | 10 | 3.00 s (0.00 to 0.00) | 1.50 |", "| 0 | 1 |"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

// What a crowd leaves is removed before the next: by its names.
func TestCrowdIsCleanedUp(t *testing.T) {
	root, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	for _, id := range []string{name(7), "of-somebody-else"} {
		if err := os.MkdirAll(filepath.Join(root, "containers", id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(t.TempDir(), "runtime")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho \"$@\" >>"+calls+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := &peer.Peer{Name: cold, Binary: binary, Root: root, Dir: t.TempDir()}
	if err := p.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(data)); !strings.HasSuffix(got, "delete --force "+name(7)) || strings.Contains(got, "\n") {
		t.Errorf("called with %q", got)
	}
}
