package hypervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func testDisk(t *testing.T, id string) Disk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return Disk{ID: id, Path: path}
}

// onTap calls f with a new tap device in a network namespace of its own, so
// that nothing of it is seen outside.
func onTap(t *testing.T, f func(tap *os.File)) {
	t.Helper()
	done := make(chan error)
	var tap *os.File
	go func() {
		// The thread is given up afterwards: it stays in the namespace.
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			tap = os.NewFile(uintptr(fd), "tap")
			req, err := unix.NewIfreq("tap0")
			if err != nil {
				return err
			}
			req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
			_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(req)))
			if errno != 0 {
				return errno
			}
			return nil
		}()
	}()
	if err := <-done; err != nil {
		t.Skipf("no tap device here: %v", err)
	}
	defer tap.Close()
	f(tap)
}

func TestHotplugDisk(t *testing.T) {
	for _, driver := range []string{"virtio-blk", "virtio-scsi"} {
		t.Run(driver, func(t *testing.T) {
			cfg := testConfig(t, "q35")
			cfg.BlockDeviceDriver = driver
			cfg.EnableIOThreads = true
			cfg.BlockDeviceCacheSet, cfg.BlockDeviceCacheNoflush = true, true
			spec := testSpec(t)
			spec.Disks = []Disk{testDisk(t, "boot")}
			m := monitor(t, launch(t, cfg, spec))
			d := testDisk(t, "hot")
			if err := m.HotplugDisk(testContext(t), cfg, d); err != nil {
				t.Fatal(err)
			}
			if err := m.HotplugDisk(testContext(t), cfg, d); err == nil || !strings.Contains(err.Error(), d.Path) {
				t.Errorf("the same disk again: %v", err)
			}
			missing := Disk{ID: "none", Path: filepath.Join(t.TempDir(), "none")}
			if err := m.HotplugDisk(testContext(t), cfg, missing); err == nil || !strings.Contains(err.Error(), missing.Path) {
				t.Errorf("a missing disk: %v", err)
			}
			if err := m.UnplugDisk(testContext(t), "never-there"); err != nil {
				t.Errorf("unplug of a disk that is not there: %v", err)
			}
		})
	}
}

func TestHotplugFailureLeavesNothing(t *testing.T) {
	cfg := testConfig(t, "q35")
	m := monitor(t, launch(t, cfg, testSpec(t)))
	d := testDisk(t, "full")
	// The bridge's slots are taken first.
	for i := range bridgeSlots {
		if err := m.HotplugDisk(testContext(t), cfg, testDisk(t, fmt.Sprintf("d%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		err := m.HotplugDisk(testContext(t), cfg, d)
		if err == nil || strings.Contains(err.Error(), "uplicate") {
			t.Errorf("one disk too many: %v", err)
		}
	}
}

func TestHotplugNIC(t *testing.T) {
	onTap(t, func(tap *os.File) {
		vm := launch(t, testConfig(t, "q35"), testSpec(t))
		m := monitor(t, vm)
		nic := NIC{ID: "nic1", MAC: "02:00:00:00:00:01", Taps: []*os.File{tap}}
		if err := m.HotplugNIC(testContext(t), nic); err != nil {
			t.Fatal(err)
		}
		var found bool
		links, err := filepath.Glob(procFile(vm, "fd/*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			if target, _ := os.Readlink(l); target == "/dev/net/tun" {
				found = true
			}
		}
		if !found {
			t.Error("QEMU does not hold the tap")
		}
		nic.ID = "bad id"
		if err := m.HotplugNIC(testContext(t), nic); err == nil {
			t.Error("a bad id is taken")
		}
	})
}

func TestNICAtBoot(t *testing.T) {
	for _, machine := range []string{"q35", "microvm", "virt"} {
		t.Run(machine, func(t *testing.T) {
			onTap(t, func(tap *os.File) {
				spec := testSpec(t)
				spec.NICs = []NIC{{ID: "nic0", MAC: "02:00:00:00:00:01", Taps: []*os.File{tap}}}
				if _, err := monitor(t, launch(t, testConfig(t, machine), spec)).Status(testContext(t)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestHotplugCPUs(t *testing.T) {
	m := monitor(t, launch(t, testConfig(t, "q35"), testSpec(t)))
	check := func(wantPresent uint32) {
		t.Helper()
		present, possible, err := m.CPUs(testContext(t))
		if err != nil || present != wantPresent || possible != 3 {
			t.Errorf("CPUs = %d of %d, %v, want %d of 3", present, possible, err, wantPresent)
		}
	}
	check(1)
	if n, err := m.HotplugCPUs(testContext(t), 1); n != 1 || err != nil {
		t.Errorf("first: %d, %v", n, err)
	}
	check(2)
	if n, err := m.HotplugCPUs(testContext(t), 5); n != 1 || err != nil {
		t.Errorf("beyond the ceiling: %d, %v", n, err)
	}
	check(3)
}

// With virtiofs the memory is shared with a virtiofsd that must answer: the tests
// of whole sandboxes plug that (tests/integration/resize.bats).
func TestHotplugMemory(t *testing.T) {
	spec := testSpec(t)
	spec.Shares = []Share{{Tag: "kata", Path: t.TempDir()}}
	m := monitor(t, launch(t, testConfig(t, "q35"), spec))
	if n, err := m.HotplugMemory(testContext(t), 100); n != MemoryStep || err != nil {
		t.Errorf("first: %d, %v", n, err)
	}
	if n, err := m.HotplugMemory(testContext(t), 129); n != 2*MemoryStep || err != nil {
		t.Errorf("second: %d, %v", n, err)
	}
	if _, err := m.HotplugMemory(testContext(t), 4096); !errors.Is(err, ErrNoRoom) {
		t.Errorf("beyond the ceiling: %v", err)
	}
	base, plugged, err := m.Memory(testContext(t))
	if base != 128 || plugged != 3*MemoryStep || err != nil {
		t.Errorf("Memory = %d, %d, %v", base, plugged, err)
	}
}

func TestMicroVMCannotHotplug(t *testing.T) {
	cfg := testConfig(t, "microvm")
	m := monitor(t, launch(t, cfg, testSpec(t)))
	if present, possible, err := m.CPUs(testContext(t)); present == 0 || present != possible || err != nil {
		t.Errorf("CPUs = %d, %d, %v", present, possible, err)
	}
	_, cpuErr := m.HotplugCPUs(testContext(t), 1)
	_, memErr := m.HotplugMemory(testContext(t), 128)
	for what, err := range map[string]error{
		"disk":   m.HotplugDisk(testContext(t), cfg, testDisk(t, "d")),
		"NIC":    m.HotplugNIC(testContext(t), NIC{}),
		"CPU":    cpuErr,
		"memory": memErr,
		"unplug": m.UnplugDisk(testContext(t), "d"),
	} {
		if !errors.Is(err, ErrNoHotplug) || !strings.Contains(err.Error(), "microvm") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Without a guest that takes it; resize.bats has one.
func TestVirtioMem(t *testing.T) {
	cfg, spec := testConfig(t, "q35"), testSpec(t)
	spec.MaxMemoryMiB = spec.MemoryMiB + 1024
	m := monitor(t, launch(t, cfg, spec))
	if has, err := m.Elastic(testContext(t)); has || err != nil {
		t.Errorf("without enable_virtio_mem: %v, %v", has, err)
	}
	if err := m.SetMemory(testContext(t), 0); !errors.Is(err, ErrNoHotplug) {
		t.Errorf("SetMemory without a device: %v", err)
	}
	for _, pages := range []string{"anonymous", "file"} {
		cfg, spec := testConfig(t, "q35"), testSpec(t)
		cfg.EnableVirtioMem = true
		if pages == "file" {
			cfg.FileMemBackend = t.TempDir()
		}
		spec.MaxMemoryMiB = spec.MemoryMiB + 1024
		m := monitor(t, launch(t, cfg, spec))
		if has, err := m.Elastic(testContext(t)); !has || err != nil {
			t.Fatalf("%s: %v, %v", pages, has, err)
		}
		if err := m.SetMemory(testContext(t), 1025); !errors.Is(err, ErrNoRoom) {
			t.Errorf("%s: beyond the ceiling: %v", pages, err)
		}
		if err := m.SetMemory(testContext(t), 0); err != nil {
			t.Errorf("%s: nothing: %v", pages, err)
		}
		// Nobody takes it.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.SetMemory(ctx, 128); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "0 of 128 MiB") {
			t.Errorf("%s: without a guest: %v", pages, err)
		}
		// Who needs less than others have asked for leaves it at that.
		for _, step := range []struct{ raise, asked uint64 }{{64, 128}, {256, 256}} {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			err := m.RaiseMemory(ctx, step.raise)
			cancel()
			now, stateErr := m.vmem(testContext(t))
			if !errors.Is(err, context.DeadlineExceeded) || stateErr != nil || now.Requested != step.asked<<20 {
				t.Errorf("%s: raised to %d MiB: %v, asked for are %+v, %v", pages, step.raise, err, now, stateErr)
			}
		}
	}
}
