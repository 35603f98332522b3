package hypervisor

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// imageID is the serial of the guest's root image.
const imageID = "kata-image"

// pciOpts are added to each virtio device on PCI: modern only, so that the
// guest need not try the legacy interface.
func (c *cmdline) pciOpts() string {
	if c.machine.pci() {
		return ",disable-legacy=on"
	}
	return ""
}

// console gives the guest a serial port: the one device that also shows a
// panic before any driver is up.
func (c *cmdline) console() {
	if c.spec.Console == nil {
		return
	}
	c.addf("-chardev", "socket,id=console,fd=%d,server=on,wait=off", c.fd(c.spec.Console))
	c.add(c.machine.console...)
}

// bridges are where devices can be hot-plugged.
func (c *cmdline) bridges() {
	if !c.machine.hotplug {
		return
	}
	for i := range c.machine.bridges(c.cfg) {
		// Without a hot-plug controller of its own, SeaBIOS would give an empty bridge
		// no memory (see onBridge). 2 MiB hold the 20 KiB of each of 32 virtio devices.
		c.addf("-device", "pci-bridge,id=%s%d,chassis_nr=%d,shpc=off,io-reserve=0,mem-reserve=2M,pref64-reserve=2M", bridgePrefix, i, i+1)
	}
	for i := range c.machine.rootPorts(c.cfg) {
		c.addf("-device", "pcie-root-port,id=%s%d,chassis=%d", portPrefix, i, 100+i)
	}
}

// bridgeSlots is how many devices the first bridge takes: all of a conventional
// PCI bus, as the bridge has no hot-plug controller of its own in one of them,
// but for the one that is there from the start (onBridge).
const bridgeSlots = 31

// Names of the buses that take hot-plugged devices; the monitor finds them by it.
const (
	bridgePrefix = "bridge"
	portPrefix   = "port"
)

func (m *machine) bridges(cfg *Config) uint32 {
	if !m.pciBridges {
		return 0
	}
	return min(max(cfg.DefaultBridges, 1), 5)
}

func (m *machine) rootPorts(cfg *Config) uint32 {
	n := cfg.PCIeRootPort
	if !m.pciBridges {
		// Native PCIe hot-plug is all that there is: one port for each bridge.
		n = max(n, min(max(cfg.DefaultBridges, 1), 5))
	}
	return min(n, 16)
}

func (c *cmdline) entropy() {
	if c.cfg.EntropySource == "" {
		c.add("-object", "rng-builtin,id=rng")
	} else {
		c.add("-object", "rng-random,id=rng,filename="+esc(c.cfg.EntropySource))
	}
	c.add("-device", c.machine.device("virtio-rng")+",rng=rng"+c.onBridge()+c.pciOpts())
}

// onBridge puts a device behind the first bridge, if there is one: firmware that
// sets no bridges up leaves that to Linux, which gives one without a device no
// memory, and a device that is plugged later gets none then. With one it gives a
// MiB of each kind (the least that a bridge takes), of which a virtio device
// needs 20 KiB.
func (c *cmdline) onBridge() string {
	if c.machine.bridges(c.cfg) == 0 {
		return ""
	}
	return ",bus=" + bridgePrefix + "0"
}

// balloon lets the guest's kernel tell which memory is free, some seconds after
// it has become so, and QEMU give that back to the host. Memory in a MemoryFile
// stays: what a clone gives back QEMU would cut out of the file, and so of every
// other clone (QEMU 7.2, softmmu/physmem.c, ram_block_discard_range).
func (c *cmdline) balloon() {
	cfg := c.cfg
	if !cfg.ReclaimGuestFreedMemory || cfg.EnableHugePages || cfg.EnableMemPrealloc || c.spec.Memory != nil {
		return
	}
	c.add("-device", c.machine.device("virtio-balloon")+",free-page-reporting=on"+c.pciOpts())
}

func (c *Config) blockDriver() string {
	if c.BlockDeviceDriver == "" {
		return "virtio-blk"
	}
	return c.BlockDeviceDriver
}

// blockNode is QEMU's node for a disk, in the form of -blockdev and of
// blockdev-add.
func (c *Config) blockNode(d Disk) map[string]any {
	file := map[string]any{"driver": fileDriver(d.Path), "filename": d.Path}
	node := map[string]any{
		"driver": "raw", "node-name": nodeName(d.ID), "read-only": d.ReadOnly, "auto-read-only": false, "file": file,
	}
	if c.BlockDeviceCacheSet {
		cache := map[string]any{"direct": c.BlockDeviceCacheDirect, "no-flush": c.BlockDeviceCacheNoflush}
		node["cache"], file["cache"] = cache, cache
	}
	return node
}

func nodeName(id string) string   { return "node-" + id }
func deviceName(id string) string { return "dev-" + id }

// fileDriver answers the protocol driver for a path; QEMU refuses "file" for a
// block device.
func fileDriver(path string) string {
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeDevice != 0 {
		return "host_device"
	}
	return "file"
}

func (c *cmdline) disk(driver string, d Disk) {
	c.add("-blockdev", jsonText(c.cfg.blockNode(d)))
	if driver == "virtio-scsi" {
		c.scsiController()
		c.addf("-device", "scsi-hd,id=%s,drive=%s,serial=%s,bus=scsi.0", deviceName(d.ID), nodeName(d.ID), d.ID)
		return
	}
	dev := fmt.Sprintf("%s,id=%s,drive=%s,serial=%s%s",
		c.machine.device("virtio-blk"), deviceName(d.ID), nodeName(d.ID), d.ID, c.pciOpts())
	if c.cfg.EnableIOThreads {
		c.ioThread()
		dev += ",iothread=io"
	}
	c.add("-device", dev)
}

// scsiController adds the one controller when the first disk asks for it.
func (c *cmdline) scsiController() {
	if c.hasSCSI {
		return
	}
	c.hasSCSI = true
	dev := c.machine.device("virtio-scsi") + ",id=scsi" + c.pciOpts()
	if c.cfg.EnableIOThreads {
		c.ioThread()
		dev += ",iothread=io"
	}
	c.add("-device", dev)
}

func (c *cmdline) ioThread() {
	if !c.hasIOThread {
		c.hasIOThread = true
		c.add("-object", "iothread,id=io")
	}
}

func (c *cmdline) share(id string, s Share) {
	if s.VirtioFS == nil {
		// The rights are those of QEMU's user, as on the host. multidevs=remap keeps
		// inode numbers apart when the folder holds several filesystems.
		path := esc(s.Path)
		if s.Folder != nil {
			path = fmt.Sprintf("/proc/self/fd/%d", c.fd(s.Folder))
		}
		c.addf("-fsdev", "local,id=%s,path=%s,security_model=none,multidevs=remap", id, path)
		c.addf("-device", "%s,fsdev=%s,mount_tag=%s%s", c.machine.device("virtio-9p"), id, esc(s.Tag), c.pciOpts())
		return
	}
	c.addf("-chardev", "socket,id=%s,fd=%d", id, c.fd(s.VirtioFS))
	// vhost-user-fs is modern always and knows no disable-legacy.
	dev := fmt.Sprintf("%s,chardev=%s,tag=%s,queue-size=1024", c.machine.device("vhost-user-fs"), id, esc(s.Tag))
	if s.CacheMiB > 0 {
		dev += fmt.Sprintf(",cache-size=%dM", s.CacheMiB)
	}
	c.add("-device", dev)
}

func (c *cmdline) nic(n NIC) {
	net := "tap,id=" + n.ID
	if len(n.Taps) == 1 {
		net += ",fd=" + c.fds(n.Taps)
	} else {
		net += ",fds=" + c.fds(n.Taps)
	}
	switch {
	case len(n.VHosts) == 0:
	case len(n.Taps) == 1:
		net += ",vhost=on,vhostfd=" + c.fds(n.VHosts)
	default:
		net += ",vhost=on,vhostfds=" + c.fds(n.VHosts)
	}
	c.add("-netdev", net)
	dev := fmt.Sprintf("%s,id=%s,netdev=%s,mac=%s%s", c.machine.device("virtio-net"), deviceName(n.ID), n.ID, n.MAC, c.pciOpts())
	if queues := len(n.Taps); queues > 1 {
		dev += ",mq=on"
		if c.machine.pci() {
			dev += fmt.Sprintf(",vectors=%d", 2*queues+2)
		}
	}
	if c.machine.pci() {
		// No boot ROM: nobody boots from the network.
		dev += ",romfile="
	}
	c.add("-device", dev)
}

// agent is the channel to the agent.
func (c *cmdline) agent() {
	a := c.spec.Agent
	switch {
	case a.CID != 0:
		c.addf("-device", "%s,guest-cid=%d,vhostfd=%d", c.machine.device("vhost-vsock"), a.CID, c.fd(a.VHost))
	case a.Serial != nil:
		c.addf("-chardev", "socket,id=agent,fd=%d,server=on,wait=off", c.fd(a.Serial))
		// By default the device has 31 ports and the guest sets up queues for each;
		// port 0 is kept for consoles, so two are enough for one.
		c.add("-device", c.machine.device("virtio-serial")+",id=serial,max_ports=2"+c.pciOpts())
		c.add("-device", "virtserialport,bus=serial.0,nr=1,chardev=agent,name="+SerialPortName)
	}
}

// rootDevice names the guest's root on the first virtio disk: a partition if
// the image has a partition table.
func rootDevice(image string) string {
	f, err := os.Open(image)
	if err != nil {
		return "/dev/vda"
	}
	defer f.Close()
	// The boot signature of an MBR, which GPT has too (UEFI specification, 5.2.1).
	// The first entry's type at 450 is not zero then; boot sectors of filesystems
	// have the signature as well.
	sector := make([]byte, 512)
	if _, err := io.ReadFull(f, sector); err == nil && sector[510] == 0x55 && sector[511] == 0xaa && sector[450] != 0 {
		return "/dev/vda1"
	}
	return "/dev/vda"
}

// validID tells whether QEMU takes an id: a letter, then letters, digits and
// "-._" (QEMU, util/id.c).
func validID(id string) bool {
	if id == "" || len(id) > 64 || strings.HasPrefix(id, "-") {
		return false
	}
	for i, r := range id {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')) {
			return false
		}
	}
	return true
}
