package hypervisor

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// cmdline collects QEMU's arguments and the open files that they speak of.
type cmdline struct {
	cfg     *Config
	spec    *Spec
	machine *machine
	accel   string

	args []string
	// files are what QEMU inherits: files[i] as descriptor firstFD+i.
	files []*os.File
	// shared is where memory that others map lies; nil: in a memfd of QEMU's own.
	shared *os.File

	hasSCSI, hasIOThread bool
}

// firstFD is the first descriptor behind stdin, stdout and stderr.
const firstFD = 3

// add appends arguments.
func (c *cmdline) add(args ...string) { c.args = append(c.args, args...) }

// addf appends an option and its formatted value.
func (c *cmdline) addf(option, format string, a ...any) {
	c.args = append(c.args, option, fmt.Sprintf(format, a...))
}

// fd makes QEMU inherit f and answers its descriptor there.
func (c *cmdline) fd(f *os.File) int {
	c.files = append(c.files, f)
	return firstFD + len(c.files) - 1
}

// fds is fd for many, as "3:4:5".
func (c *cmdline) fds(files []*os.File) string {
	list := make([]string, len(files))
	for i, f := range files {
		list[i] = strconv.Itoa(c.fd(f))
	}
	return strings.Join(list, ":")
}

// esc makes a string one value inside QEMU's comma-separated options.
func esc(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// build fills args and files. qmp is the listening control socket.
func (c *cmdline) build(qmp *os.File) {
	c.base()
	c.memory()
	c.addf("-chardev", "socket,id=qmp,fd=%d,server=on,wait=off", c.fd(qmp))
	c.add("-mon", "chardev=qmp,mode=control")
	c.boot()
	c.console()
	c.bridges()
	c.entropy()
	c.balloon()
	c.virtioMem()
	if c.spec.Image != "" {
		c.disk("virtio-blk", Disk{ID: imageID, Path: c.spec.Image, ReadOnly: true})
	}
	for _, d := range c.spec.Disks {
		c.disk(c.cfg.blockDriver(), d)
	}
	for i, s := range c.spec.Shares {
		c.share(fmt.Sprintf("share%d", i), s)
	}
	for _, n := range c.spec.NICs {
		c.nic(n)
	}
	c.agent()
	if c.spec.Incoming {
		c.add("-incoming", "defer")
	}
}

func (c *cmdline) base() {
	c.add("-name", esc(c.spec.Name)+",debug-threads=on")
	c.add("-uuid", uuid(c.spec.Name))
	c.add("-no-user-config", "-nodefaults", "-no-reboot", "-display", "none")
	c.add("-msg", "timestamp=on")
	// QEMU may neither start programs nor gain rights once it runs: a guest that
	// breaks out of its devices finds that much less.
	c.add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
	m := []string{c.machine.name}
	if options := c.translations(); options != "" {
		c.add("-accel", options)
	} else {
		m = append(m, "accel="+c.accel)
	}
	m = append(m, c.machine.options...)
	if !c.cfg.EnableKSM {
		m = append(m, "mem-merge=off") // QEMU's default is on
	}
	if c.cfg.MachineAccelerators != "" {
		m = append(m, c.cfg.MachineAccelerators)
	}
	if c.spec.Memory != nil || c.memoryBackend() != "" {
		m = append(m, "memory-backend=mem")
	}
	c.add("-machine", strings.Join(m, ","))
	for _, g := range c.machine.globals {
		c.add("-global", g)
	}
	c.add("-cpu", c.cpu())
	smp := fmt.Sprintf("cpus=%d", c.spec.VCPUs)
	if c.machine.cpuHotplug && c.spec.MaxVCPUs > c.spec.VCPUs {
		smp += fmt.Sprintf(",maxcpus=%d", min(c.spec.MaxVCPUs, c.machine.maxCPUs))
	}
	c.add("-smp", smp)
}

func (c *cmdline) cpu() string {
	cpu := "host"
	if c.accel == AccelTCG {
		cpu = c.machine.tcgCPU
	}
	if c.cfg.CPUFeatures != "" {
		cpu += "," + c.cfg.CPUFeatures
	}
	return cpu
}

// tcgMaxMiB keeps the ceiling of memory, with a GiB of slack for each slot,
// within the 40 bits of TCG's physical addresses (QEMU, TCG_PHYS_ADDR_BITS):
// beyond, QEMU refuses to start.
const tcgMaxMiB = 512 << 10

// memory sets the guest's memory and room for more.
func (c *cmdline) memory() {
	m := fmt.Sprintf("size=%dM", c.spec.MemoryMiB)
	most := c.mostMemory()
	if c.machine.memHotplug && most > c.spec.MemoryMiB {
		m += fmt.Sprintf(",slots=%d,maxmem=%dM", c.cfg.memorySlots(), most)
	}
	c.add("-m", m)
	if f := c.spec.Memory; f != nil {
		share := "on"
		if f.Private {
			share = "off"
		}
		if f.ReadOnly {
			share += ",readonly=on,rom=off"
		}
		// By its descriptor: the file may be removed by now.
		c.addf("-object", "memory-backend-file,id=mem,size=%dM,share=%s,mem-path=/proc/self/fd/%d", c.spec.MemoryMiB, share, c.fd(f.File))
		return
	}
	backend := c.memoryBackend()
	if backend == memfd && c.shared != nil {
		backend = fmt.Sprintf("memory-backend-file,share=on,align=%d,mem-path=/proc/self/fd/%d", hugePage, c.fd(c.shared))
	}
	if backend != "" {
		c.addf("-object", "%s,id=mem,size=%dM", backend, c.spec.MemoryMiB)
	}
}

// mostMemory is the ceiling, in MiB: what is plugged comes in whole steps, so
// the last may end beyond the one that was asked for.
func (c *cmdline) mostMemory() uint64 {
	most := c.spec.MaxMemoryMiB + c.cfg.MemoryOffset
	if most > c.spec.MemoryMiB {
		most = c.spec.MemoryMiB + steps(most-c.spec.MemoryMiB)
	}
	if c.accel == AccelTCG {
		most = min(most, tcgMaxMiB)
	}
	return most
}

// memfd is the -object for memory that a vhost-user daemon maps as well.
const memfd = "memory-backend-memfd,share=on"

// memoryBackend answers the -object for the guest's memory without id and
// size; empty for QEMU's own anonymous memory, the cheapest. A vhost-user
// daemon (virtiofsd) maps the memory itself, so that must be a shared file.
func (c *cmdline) memoryBackend() string {
	return c.cfg.memoryBackend(c.hasVirtioFS())
}

// firmware answers what -bios takes; empty for QEMU's default.
func (c *cmdline) firmware() string {
	// Only the first bridge is sure to have a device (onBridge).
	if c.accel == AccelTCG && c.machine.bridges(c.cfg) <= 1 {
		return cmp.Or(c.cfg.Firmware, c.machine.tcgFirmware, c.machine.firmware)
	}
	return cmp.Or(c.cfg.Firmware, c.machine.firmware)
}

func (c *cmdline) hasVirtioFS() bool {
	return slices.ContainsFunc(c.spec.Shares, func(s Share) bool { return s.VirtioFS != nil })
}

func (c *Config) memoryBackend(shared bool) string {
	var b string
	switch {
	case c.FileMemBackend != "":
		b = "memory-backend-file,share=on,mem-path=" + esc(c.FileMemBackend)
	case c.EnableHugePages:
		b = memfd + ",hugetlb=on"
	case shared:
		b = memfd
	case c.EnableMemPrealloc:
		b = "memory-backend-ram"
	default:
		return ""
	}
	if c.EnableMemPrealloc {
		b += ",prealloc=on"
	}
	return b
}

func (c *Config) memorySlots() uint32 {
	if c.MemorySlots == 0 {
		return 10
	}
	return c.MemorySlots
}

// boot names the kernel, what it finds as root, and its command line.
func (c *cmdline) boot() {
	if firmware := c.firmware(); firmware != "" {
		c.add("-bios", firmware)
	}
	if c.spec.Kernel == "" {
		return
	}
	c.add("-kernel", c.spec.Kernel)
	if c.spec.Initrd != "" {
		c.add("-initrd", c.spec.Initrd)
	}
	c.add("-append", strings.Join(c.kernelParams(), " "))
}

// kernelParams joins the machine's parameters, the configuration's and the
// spec's; for most of them the kernel takes the last one of a name.
func (c *cmdline) kernelParams() []string {
	p := append([]string(nil), c.machine.params...)
	if c.accel == AccelTCG && c.machine.tcgParams != nil {
		p = append(p, c.machine.tcgParams()...)
	}
	if c.accel == AccelTCG && c.hasVirtioFS() {
		if clearsReadPages(c.spec.Kernel) {
			p = append(p, clearReadPages)
		} else {
			p = append(p, clearPages)
		}
	}
	if !c.cfg.EnableDebug {
		p = append(p, quiet)
	}
	if c.spec.Console != nil {
		p = append(p, c.machine.consoleParams...)
	}
	if c.hasVirtioMem() {
		p = append(p, vmemParams...)
	}
	if c.spec.Image != "" {
		p = append(p, "root="+rootDevice(c.spec.Image), "ro", "rootwait")
	}
	p = append(p, strings.Fields(c.cfg.KernelParams)...)
	return append(p, c.spec.KernelParams...)
}

// uuid derives the guest's DMI UUID from its name (RFC 9562, version 8).
func uuid(name string) string {
	h := sha256.Sum256([]byte(name))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
