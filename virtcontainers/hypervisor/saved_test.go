package hypervisor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// memoryFile makes a file of the size of spec's memory.
func memoryFile(t *testing.T, spec *Spec) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "memory"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(int64(spec.MemoryMiB) << 20); err != nil {
		t.Fatal(err)
	}
	return f
}

// reopen opens a file again: a VM may have taken over the other's position.
func reopen(t *testing.T, f *os.File) *os.File {
	t.Helper()
	g, err := os.OpenFile(f.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func TestSaveAndRestore(t *testing.T) {
	for _, machine := range []string{"q35", "microvm", "virt"} {
		t.Run(machine, func(t *testing.T) {
			ctx := testContext(t)
			cfg := testConfig(t, machine)
			make := func() *Spec {
				spec := testSpec(t)
				spec.MaxVCPUs, spec.MaxMemoryMiB = 1, spec.MemoryMiB
				spec.Shares = []Share{{Tag: "kata", Path: t.TempDir()}}
				spec.Agent.Serial = listen(t, filepath.Join(spec.Dir, "agent.sock"))
				spec.Console = listen(t, filepath.Join(spec.Dir, "console.sock"))
				return spec
			}
			source := make()
			memory := memoryFile(t, source)
			source.Memory = &MemoryFile{File: memory}
			state, err := os.OpenFile(filepath.Join(t.TempDir(), "state"), os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer state.Close()
			vm := launch(t, cfg, source)
			m := monitor(t, vm)
			readOnly, err := m.CanMapReadOnly(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Save(ctx, state); err != nil {
				t.Fatal(err)
			}
			if err := vm.Kill(ctx); err != nil {
				t.Fatal(err)
			}
			want, err := FingerprintOf(cfg, source)
			if err != nil {
				t.Fatal(err)
			}
			file := memory
			if readOnly {
				if file, err = os.Open(memory.Name()); err != nil {
					t.Fatal(err)
				}
				defer file.Close()
			}
			for range 2 {
				clone := make()
				clone.Memory, clone.Incoming = &MemoryFile{File: file, Private: true, ReadOnly: readOnly}, true
				got, err := FingerprintOf(cfg, clone)
				if err != nil {
					t.Fatal(err)
				}
				if got.Key != want.Key {
					t.Errorf("the clone's fingerprint is %s, the source's %s", got.Key, want.Key)
				}
				vm := launch(t, cfg, clone)
				if err := vm.Restore(ctx, reopen(t, state)); err != nil {
					t.Fatal(err)
				}
				if s, err := monitor(t, vm).Status(ctx); s != "running" {
					t.Errorf("status %q, %v", s, err)
				}
			}
			broken := make()
			broken.Memory, broken.Incoming = &MemoryFile{File: memory, Private: true}, true
			vm = launch(t, cfg, broken)
			cut := memoryFile(t, source)
			if err := vm.Restore(ctx, cut); err == nil || !errors.Is(err, ErrStopped) && !strings.Contains(err.Error(), "state") {
				t.Errorf("Restore from a file of zeros = %v", err)
			}
		})
	}
}

// Each of these makes another machine, or another guest.
func TestFingerprintChanges(t *testing.T) {
	base, spec := testConfig(t, "q35"), testSpec(t)
	spec.Kernel = filepath.Join(spec.Dir, "kernel")
	if err := os.WriteFile(spec.Kernel, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := func(cfg *Config, spec *Spec) string {
		t.Helper()
		f, err := FingerprintOf(cfg, spec)
		if err != nil {
			t.Fatal(err)
		}
		return f.Key
	}
	seen := map[string]string{key(base, spec): "base"}
	for name, change := range map[string]func(*Config, *Spec){
		"memory":     func(_ *Config, s *Spec) { s.MemoryMiB++ },
		"CPUs":       func(_ *Config, s *Spec) { s.VCPUs++ },
		"parameters": func(_ *Config, s *Spec) { s.KernelParams = []string{"agent.log=debug"} },
		"share":      func(_ *Config, s *Spec) { s.Shares = []Share{{Tag: "kata", Path: "/"}} },
		"NIC": func(_ *Config, s *Spec) {
			s.NICs = []NIC{{ID: "nic0", MAC: "02:00:00:00:00:01", Taps: []*os.File{nil}}}
		},
		"machine":  func(c *Config, _ *Spec) { c.MachineType = "microvm" },
		"features": func(c *Config, _ *Spec) { c.CPUFeatures = "pmu=off" },
		"QEMU":     func(c *Config, _ *Spec) { c.Path = "/bin/true" },
		"other kernel": func(_ *Config, s *Spec) {
			s.Kernel = filepath.Join(spec.Dir, "kernel2")
			if err := os.WriteFile(s.Kernel, []byte("one"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		c, s := *base, *spec
		change(&c, &s)
		k := key(&c, &s)
		if other, taken := seen[k]; taken {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[k] = name
	}
	same := *spec
	same.Name, same.Dir = "other", t.TempDir()
	if k := key(base, &same); seen[k] != "base" {
		t.Errorf("name and folder make another key")
	}
	input, err := Look(spec.Kernel)
	if err != nil || !input.Same() {
		t.Fatal(err)
	}
	if err := os.WriteFile(spec.Kernel, []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, taken := seen[key(base, spec)]; taken || input.Same() {
		t.Error("another content of the kernel has the same key")
	}
	for name, change := range map[string]func(*Config){
		"huge pages": func(c *Config) { c.EnableHugePages = true },
		"prealloc":   func(c *Config) { c.EnableMemPrealloc = true },
		"backend":    func(c *Config) { c.FileMemBackend = "/dev/shm" },
	} {
		c := *base
		change(&c)
		if _, err := FingerprintOf(&c, spec); !errors.Is(err, errMemoryFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
