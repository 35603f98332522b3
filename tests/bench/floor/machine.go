// Package floor boots bare QEMU with the kernel and the machine of a sandbox:
// what no runtime on top of it can be faster than.
package floor

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Machine is what a sandbox and its floor have in common.
type Machine struct {
	// QEMU, Kernel and Initrd are paths; Initrd is the sandbox's, from which the
	// floor takes the modules of a kernel that needs them, and may be empty.
	QEMU, Kernel, Initrd string
	// Type is "q35", "microvm" or "virt", Accelerator "kvm" or "tcg".
	Type, Accelerator string
	MemoryMiB, VCPUs  int
	// TSCKHz is the rate of the time-stamp counter that an x86 guest under TCG is
	// told; 0 lets it find out.
	TSCKHz uint64
	// Firmware (as -bios takes it) and Params (the whole kernel command line, but
	// for what the guest's own init needs) are a sandbox's. Empty: QEMU's own
	// firmware, and few parameters.
	Firmware, Params string
	// Record and Keep are files of what QEMU has translated, to be written and to
	// be used; empty for none.
	Record, Keep string
}

// args answers QEMU's arguments. The machine is stripped of everything that
// can be left out, whatever the runtime does: the floor must not rise with it.
func (m *Machine) args(initrd, params string) []string {
	options := map[string]string{
		"q35":     "smm=off,vmport=off,sata=off,smbus=off,usb=off,graphics=off,hpet=off",
		"microvm": "x-option-roms=off,pit=off,pic=off,rtc=on,isa-serial=on,auto-kernel-cmdline=on",
		"virt":    "gic-version=max,usb=off",
	}[m.Type]
	console, cpu := "ttyS0", "max,-erms,-fsrm,-la57"
	if m.Type == "virt" {
		console, cpu = "ttyAMA0", "max,pauth-impdef=on"
	}
	if m.Accelerator == "kvm" {
		cpu = "host"
	}
	own := params
	params += " quiet console=" + console + " panic=-1 cryptomgr.notests"
	if m.Type != "virt" {
		params += " reboot=t no_timer_check noreplace-smp 8250.nr_uarts=1"
	}
	if m.TSCKHz > 0 && m.Accelerator == "tcg" {
		params += fmt.Sprintf(" tsc_early_khz=%d", m.TSCKHz)
	}
	if m.Params != "" {
		params = own + " " + m.Params
	}
	accel := m.Accelerator
	if m.Record != "" {
		accel += ",tb-record=" + m.Record
	}
	if m.Keep != "" {
		accel += ",tb-keep=" + m.Keep
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-machine", m.Type + "," + options, "-accel", accel, "-cpu", cpu,
		"-m", fmt.Sprintf("%dM", m.MemoryMiB), "-smp", strconv.Itoa(m.VCPUs),
		"-kernel", m.Kernel, "-initrd", initrd, "-append", strings.TrimSpace(params),
		"-serial", "stdio",
	}
	if m.Type == "microvm" {
		args = append(args, "-global", "virtio-mmio.force-legacy=false")
	}
	if m.Firmware != "" {
		args = append(args, "-bios", m.Firmware)
	}
	return args
}

// bus ends the names of the machine's virtio devices.
func (m *Machine) bus() string {
	if m.Type == "microvm" {
		return "device"
	}
	return "pci,disable-legacy=on"
}

// HostTSC answers the rate of the host's time-stamp counter in kHz as
// /proc/cpuinfo has it; 0 if it has none.
func HostTSC() uint64 {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if strings.TrimSpace(name) == "cpu MHz" {
			mhz, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err == nil && mhz > 0 {
				return uint64(mhz*1000 + 0.5)
			}
		}
	}
	return 0
}

// As answers the machine with a sandbox's firmware and kernel parameters.
func (m Machine) As(sandbox []string) Machine {
	for i := range len(sandbox) - 1 {
		switch sandbox[i] {
		case "-bios":
			m.Firmware = sandbox[i+1]
		case "-append":
			m.Params = sandbox[i+1]
		}
	}
	return m
}

// GuestTSC finds the rate that a sandbox's QEMU tells its guest; 0 if none.
func GuestTSC(args []string) uint64 {
	for _, arg := range args {
		for _, word := range strings.Fields(arg) {
			if text, found := strings.CutPrefix(word, "tsc_early_khz="); found {
				khz, err := strconv.ParseUint(text, 10, 64)
				if err == nil {
					return khz
				}
			}
		}
	}
	return 0
}
