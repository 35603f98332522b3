package hypervisor

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The file can be opened again by its descriptor, as QEMU does, mapped by two,
// and lies in huge pages; nothing is mounted for it.
func TestSharedMemory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a tmpfs needs root")
	}
	const size = 6 << 20
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	file, err := sharedMemory(size)
	if errors.Is(err, errNoHugePages) || errors.Is(err, os.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	a, err := unix.Mmap(int(again.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	a[size-1] = 7
	if b[size-1] != 7 {
		t.Error("the two mappings are not of the same memory")
	}
	// All of the last huge page is there, though one byte was written.
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if got := st.Blocks * 512; got != hugePage && got != 4096 {
		t.Errorf("one byte takes %d bytes", got)
	} else if got == 4096 {
		t.Log("the host had no huge page left")
	}
	for _, m := range [][]byte{a, b} {
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	}
	after, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(after), "tmpfs") != strings.Count(string(before), "tmpfs") {
		t.Error("a tmpfs is mounted somewhere")
	}
}

// Memory that must stay as it is has no device by which the guest gives it back.
func TestMemoryThatStays(t *testing.T) {
	for name, change := range map[string]func(*Config, *Spec){
		"huge pages": func(c *Config, _ *Spec) { c.EnableHugePages = true },
		"prealloc":   func(c *Config, _ *Spec) { c.EnableMemPrealloc = true },
		"a template": func(_ *Config, s *Spec) { s.Memory = &MemoryFile{File: os.Stdin} },
		"a clone":    func(_ *Config, s *Spec) { s.Memory = &MemoryFile{File: os.Stdin, Private: true} },
		"refused":    func(c *Config, _ *Spec) { c.ReclaimGuestFreedMemory = false },
		"":           func(*Config, *Spec) {},
	} {
		cfg, spec := Default(), &Spec{Name: "s", VCPUs: 1, MaxVCPUs: 1, MemoryMiB: 128}
		cfg.Accelerator, cfg.Arch = AccelTCG, "amd64"
		change(&cfg, spec)
		line := strings.Join(buildFor(t, &cfg, spec), "\n")
		if got := strings.Contains(line, "virtio-balloon"); got != (name == "") {
			t.Errorf("%q: a balloon: %v", name, got)
		}
	}
}
