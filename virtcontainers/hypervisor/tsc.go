package hypervisor

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tscParams tells an x86 guest under TCG how fast its time-stamp counter runs,
// which is the host's counter there (QEMU, cpu_get_tsc). Without it the guest
// times the counter against an emulated timer: that takes tens of milliseconds
// and, on a machine without HPET and PM timer, fails now and then ("could not
// calculate TSC khz") and the guest hangs. And it says that the counter can be
// relied on: a kernel that could get a second CPU takes the counters of an
// emulated machine for unsynchronised (arch/x86/kernel/tsc.c,
// unsynchronized_tsc) and reads the time from a device, an exit each time; they
// are one counter.
func tscParams() []string {
	khz, err := tscKHz()
	if err != nil {
		return nil
	}
	return []string{fmt.Sprintf("tsc_early_khz=%d", khz), "tsc=reliable"}
}

// tscKHz answers the rate of the host's time-stamp counter.
func tscKHz() (uint64, error) {
	if khz, err := tscFromPerf(); err == nil {
		return khz, nil
	}
	return tscFromCPUInfo("/proc/cpuinfo")
}

// tscFromPerf reads the factor by which the kernel itself turns ticks of the
// counter into nanoseconds: ns = ticks * mult >> shift (perf_event_open(2),
// cap_user_time).
func tscFromPerf() (uint64, error) {
	attr := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_SOFTWARE,
		Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Config: unix.PERF_COUNT_SW_DUMMY,
		Bits:   unix.PerfBitDisabled | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("perf_event_open: %w", err)
	}
	defer unix.Close(fd)
	page, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, fmt.Errorf("map perf event: %w", err)
	}
	defer unix.Munmap(page)
	p := (*unix.PerfEventMmapPage)(unsafe.Pointer(&page[0]))
	const capUserTime = 1 << 3
	if p.Capabilities&capUserTime == 0 || p.Time_mult == 0 || p.Time_shift > 40 {
		return 0, fmt.Errorf("the host's clock does not run on the time-stamp counter")
	}
	return (1_000_000<<p.Time_shift + uint64(p.Time_mult)/2) / uint64(p.Time_mult), nil
}

// tscFromCPUInfo takes the "cpu MHz" of the first CPU, which is the counter's
// rate where the CPU does not report its present clock (in a VM).
func tscFromCPUInfo(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if strings.TrimSpace(name) == "cpu MHz" {
			mhz, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || mhz < 100 || mhz > 20000 {
				return 0, fmt.Errorf("%s: unexpected cpu MHz %q", path, value)
			}
			return uint64(mhz*1000 + 0.5), nil
		}
	}
	return 0, fmt.Errorf("%s names no cpu MHz", path)
}
