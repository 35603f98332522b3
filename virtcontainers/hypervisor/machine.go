package hypervisor

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// machine is what differs between machine types. A new one is an entry of
// machines; nothing else asks for a type by name.
type machine struct {
	name string
	// arch is Go's spelling of the guest's architecture.
	arch string
	// suffix ends the names of virtio devices: "pci", or "device" for virtio-mmio.
	suffix string
	// hotplug tells whether devices, CPUs and memory can be added while it runs;
	// memHotplug and cpuHotplug whether memory and CPUs can.
	hotplug, memHotplug, cpuHotplug bool
	// pciBridges: devices are hot-plugged by ACPI behind conventional bridges;
	// otherwise natively, each into a PCIe root port.
	pciBridges bool
	// maxCPUs is the machine type's own limit (QEMU 7.2, "-machine TYPE -smp N").
	maxCPUs uint32
	// options are properties of -machine.
	options []string
	// firmware is QEMU's name of the firmware; empty for its default. tcgFirmware
	// is the one under TCG, if that is another.
	firmware, tcgFirmware string
	// globals are -global arguments.
	globals []string
	// console is QEMU's device for the guest's console, on the chardev "console",
	// where the machine has none built in; params is what the guest's kernel is
	// told about it.
	console       []string
	consoleParams []string
	// params are kernel parameters, tcgParams those needed under TCG only.
	params    []string
	tcgParams func() []string
	// tcgCPU is the CPU model under TCG.
	tcgCPU string
}

// qboot is QEMU's small firmware, which only hands over tables and kernel.
const qboot = "qboot.rom"

// quiet keeps the guest's kernel from writing to a console that is slow.
const quiet = "quiet"

// noNeedless leaves out start-up work of distributions' kernels that a guest
// has no use for, a tenth of all instructions before its init; a kernel without
// these functions takes no notice.
var noNeedless = "initcall_blacklist=" + strings.Join([]string{
	// A self-test that cryptomgr.notests does not cover, and that waits for the
	// whole initrd first (crypto/kdf_sp800108.c).
	"crypto_kdf108_init",
	// Measures the CPU's clock for 37 ms (without KVM) to make random numbers of it,
	// beside those of the kernel that IPsec has anyway (crypto/jitterentropy-kcapi.c).
	"jent_mod_init",
	// Looks up the names of some 40,000 traceable functions, which a reader of
	// their list gets again if there ever is one (kernel/trace/ftrace.c).
	"ftrace_check_for_weak_functions",
	// Writes numbers for names in the formats of all trace events, which only a
	// reader of those formats misses (kernel/trace/trace.c).
	"trace_eval_init",
	// Makes the files of tracefs, several for each of a thousand events; the file
	// system is there and empty then (kernel/trace/trace.c).
	"tracer_init_tracefs",
	// Makes /sys/kernel/slab, and has a folder made there for each cache that
	// comes later; /proc/slabinfo says the same (mm/slub.c).
	"slab_sysfs_init",
	// Keys for signatures of modules and of a next kernel: the image is trusted
	// as a whole, and nothing else is loaded (certs/system_keyring.c).
	"load_system_certificate_list", "init_ima", "init_encrypted",
	// Probing of a keyboard, and of the alarms of a clock chip whose time the
	// kernel has read by then.
	"i8042_init", "cmos_init",
}, ",")

// noDummy keeps a kernel with the dummy driver built in from making an interface
// with it that nobody asked for (drivers/net/dummy.c).
const noDummy = "dummy.numdummies=0"

// noBounce saves 64 MiB: a kernel that is told of memory that may come above 4
// GiB sets them aside for devices that cannot reach it (arch/x86/kernel/pci-dma.c,
// pci_swiotlb_detect_4gb). Virtio devices can.
const noBounce = "swiotlb=noforce"

// fewLSMs keeps the kernel from setting up, and asking at each system call,
// security modules that nobody gives a policy to in a guest (AppArmor, Tomoyo,
// BPF); those that a program, a parameter or a sysctl switches on stay. A later
// "lsm=" in kernel_params overrides it.
const fewLSMs = "lsm=landlock,lockdown,yama"

// noProbing leaves out reading the configuration of devices on 256 PCI buses,
// which Debian's kernel does twice, in search of an AGP bridge and of buses that
// ACPI has not told it of (arch/x86/kernel/aperture_64.c, arch/x86/pci/legacy.c,
// pcibios_fixup_peer_bridges): 50,000 accesses to a device, each of which leaves
// the guest.
const noProbing = "pci=noearly,lastbus=0"

var machines = []machine{
	{
		name: "q35", arch: "amd64", suffix: "pci",
		hotplug: true, memHotplug: true, cpuHotplug: true, pciBridges: true, maxCPUs: 288,
		// What the guest never uses is left out: each device costs start time,
		// memory and attack surface. The guest tells the time by its TSC, and has PIT
		// and PM timer to check that by; without the HPET it boots a tenth faster.
		options:       []string{"hpet=off", "smm=off", "vmport=off", "sata=off", "smbus=off", "usb=off", "dump-guest-core=off"},
		console:       []string{"-device", "isa-serial,chardev=console"},
		consoleParams: []string{"console=ttyS0"},
		params:        []string{"reboot=t", "panic=-1", "no_timer_check", "noreplace-smp", "cryptomgr.notests", "8250.nr_uarts=1", noDummy, noNeedless, fewLSMs, noBounce, noProbing},
		tcgParams:     tscParams,
		tcgCPU:        tcgCPUx86,
		// SeaBIOS sets up devices that Linux sets up again, and has its tables where
		// Linux searches for long: a tenth of a second under TCG. With KVM, where it
		// was not tried, it is QEMU's default.
		tcgFirmware: qboot,
	},
	{
		name: "microvm", arch: "amd64", suffix: "device",
		maxCPUs: 288,
		// By ACPI every kernel finds its devices. With machine_accelerators =
		// "acpi=off,auto-kernel-cmdline=on" it learns of them from its command line:
		// faster, but only with VIRTIO_MMIO_CMDLINE_DEVICES, which Debian's kernel
		// lacks. With ACPI the serial port gets no interrupt, so that the kernel's
		// messages come out and userspace's do not. Without PIT and PIC the local
		// timer was seen never to fire under TCG, so that any sleep hung. The clock chip stays: a kernel
		// that misses it waits three seconds for it.
		options: []string{"acpi=on", "x-option-roms=off", "pit=on", "pic=on", "rtc=on", "isa-serial=on", "auto-kernel-cmdline=off", "dump-guest-core=off"},
		// It starts a kernel without option ROMs. QEMU's own choice with ACPI is
		// bios-microvm.bin: that is qboot on Debian 12, and on Debian 13 SeaBIOS,
		// which does not find the kernel.
		firmware:      qboot,
		globals:       []string{"virtio-mmio.force-legacy=false"},
		console:       []string{"-serial", "chardev:console"},
		consoleParams: []string{"console=ttyS0"},
		params:        []string{"reboot=t", "panic=-1", "no_timer_check", "noreplace-smp", "cryptomgr.notests", "8250.nr_uarts=1", noDummy, noNeedless, fewLSMs},
		tcgParams:     tscParams,
		tcgCPU:        tcgCPUx86,
	},
	{
		name: "virt", arch: "arm64", suffix: "pci",
		hotplug: true, maxCPUs: 512,
		options:       []string{"gic-version=max", "usb=off", "dump-guest-core=off"},
		console:       []string{"-serial", "chardev:console"},
		consoleParams: []string{"console=ttyAMA0"},
		params:        []string{"panic=-1", "cryptomgr.notests", noDummy, fewLSMs},
		// The architected pointer authentication algorithm is slow to emulate
		// (QEMU manual, Arm CPU features, "TCG vCPU features").
		tcgCPU: "max,pauth-impdef=on",
	},
}

// tcgCPUx86: TCG emulates "rep movsb" byte by byte, and the guest's kernel
// copies with it when the CPU announces erms or fsrm.
const tcgCPUx86 = "max,-erms,-fsrm,-la57"

// pci tells whether devices sit on a PCI bus.
func (m *machine) pci() bool { return m.suffix == "pci" }

// device answers the name of a virtio device ("virtio-blk" gives
// "virtio-blk-pci" or "virtio-blk-device").
func (m *machine) device(kind string) string { return kind + "-" + m.suffix }

// findMachine picks the machine that cfg names, or the architecture's default.
func findMachine(cfg *Config) (*machine, error) {
	arch := cfg.arch()
	var known []string
	for i := range machines {
		m := &machines[i]
		if m.arch != arch {
			continue
		}
		if cfg.MachineType == "" || cfg.MachineType == m.name {
			return m, nil
		}
		known = append(known, m.name)
	}
	if known == nil {
		return nil, fmt.Errorf("[hypervisor.qemu] arch %q is not supported: it is one of %s", arch, strings.Join(arches(), ", "))
	}
	return nil, fmt.Errorf("[hypervisor.qemu] machine_type %q is not supported for %s: it is one of %s",
		cfg.MachineType, arch, strings.Join(known, ", "))
}

// arches lists the guest architectures that have a machine.
func arches() []string {
	var list []string
	for _, m := range machines {
		if !slices.Contains(list, m.arch) {
			list = append(list, m.arch)
		}
	}
	return list
}

// arch answers the guest's architecture.
func (c *Config) arch() string {
	if c.Arch == "" {
		return runtime.GOARCH
	}
	return c.Arch
}

// qemuArch is how QEMU spells Go's names of architectures.
var qemuArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// binary answers QEMU's path or, to be looked up in PATH, its name.
func (c *Config) binary() string {
	if c.Path != "" {
		return c.Path
	}
	return "qemu-system-" + qemuArch[c.arch()]
}
