package hypervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Validate tells the first thing in cfg that keeps a VM from starting on this
// host, in one line that names the key and the next step.
func Validate(cfg *Config) error {
	m, err := findMachine(cfg)
	if err != nil {
		return err
	}
	if _, _, err := Accelerator(cfg); err != nil {
		return err
	}
	if _, err := exec.LookPath(cfg.binary()); err != nil {
		return cfg.binaryError(err)
	}
	if err := checkAsset("kernel", cfg.Kernel); err != nil {
		return err
	}
	switch {
	case cfg.Initrd != "" && cfg.Image != "":
		return errors.New("[hypervisor.qemu] has both initrd and image: keep one of them")
	case cfg.Initrd != "":
		err = checkAsset("initrd", cfg.Initrd)
	default:
		err = checkAsset("image", cfg.Image)
	}
	if err != nil {
		return err
	}
	if cfg.Firmware != "" {
		if err := checkAsset("firmware", cfg.Firmware); err != nil {
			return err
		}
	}
	return cfg.checkValues(m)
}

// checkValues checks the settings that need nothing of the host.
func (c *Config) checkValues(m *machine) error {
	drivers := []string{"virtio-blk", "virtio-scsi"}
	if !m.pci() {
		drivers = drivers[:1]
	}
	if !slices.Contains(drivers, c.blockDriver()) {
		return fmt.Errorf("[hypervisor.qemu] block_device_driver %q is not supported by machine_type %s: it is one of %s",
			c.BlockDeviceDriver, m.name, strings.Join(drivers, ", "))
	}
	if c.MemorySlots > 256 {
		return fmt.Errorf("[hypervisor.qemu] memory_slots is %d: it is at most 256", c.MemorySlots)
	}
	if c.EnableVirtioMem {
		return errors.New("[hypervisor.qemu] enable_virtio_mem is not supported yet: set it to false, memory is added as DIMMs then")
	}
	if c.EnableHugePages && c.FileMemBackend != "" {
		return errors.New("[hypervisor.qemu] has both enable_hugepages and file_mem_backend: keep one of them")
	}
	for key, value := range map[string]string{"machine_accelerators": c.MachineAccelerators, "cpu_features": c.CPUFeatures} {
		if strings.ContainsAny(value, " \t\n") {
			return fmt.Errorf("[hypervisor.qemu] %s %q has a blank: entries are separated by commas alone", key, value)
		}
	}
	return nil
}

// checkAsset tells whether a file that the configuration names can be used.
func checkAsset(key, path string) error {
	if path == "" {
		if key == "image" {
			return errors.New("[hypervisor.qemu] names neither initrd nor image: set one of them to the guest's root, \"make image\" builds one")
		}
		return fmt.Errorf("[hypervisor.qemu] has no %s: set it, \"make image\" builds the guest's kernel and root", key)
	}
	if !filepath.IsAbs(path) {
		return fmt.Errorf("[hypervisor.qemu] %s = %q is not an absolute path", key, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("[hypervisor.qemu] %s: %w: install the guest's kernel and root (\"make image\") or correct the key", key, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("[hypervisor.qemu] %s: %w", key, err)
	}
	if info.IsDir() || info.Mode().IsRegular() && info.Size() == 0 {
		return fmt.Errorf("[hypervisor.qemu] %s: %s is a folder or empty: it must be a file", key, path)
	}
	return nil
}

// binaryError says how to get QEMU.
func (c *Config) binaryError(err error) error {
	pkg := map[string]string{"amd64": "qemu-system-x86", "arm64": "qemu-system-arm"}[c.arch()]
	if c.Path == "" {
		return fmt.Errorf("QEMU for %s: %w: install it (Debian package %s) or set path in [hypervisor.qemu]", c.arch(), err, pkg)
	}
	return fmt.Errorf("[hypervisor.qemu] path: %w: install QEMU (Debian package %s) or correct the key", err, pkg)
}

// check finds what QEMU would only say much later or not clearly.
func (s *Spec) check(m *machine) error {
	if s.VCPUs == 0 || s.VCPUs > m.maxCPUs {
		return fmt.Errorf("%d CPUs: machine type %s takes 1 to %d", s.VCPUs, m.name, m.maxCPUs)
	}
	if s.MemoryMiB == 0 {
		return errors.New("a VM needs memory")
	}
	for _, path := range []string{s.Kernel, s.Initrd, s.Image} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("guest asset: %w", err)
		}
		f.Close()
	}
	for _, d := range s.Disks {
		if !validID(d.ID) || len(d.ID) > maxSerial {
			return fmt.Errorf("disk id %q: at most %d letters, digits and -_., a letter first", d.ID, maxSerial)
		}
	}
	for _, n := range s.NICs {
		if err := n.check(); err != nil {
			return err
		}
	}
	for _, sh := range s.Shares {
		if len(sh.Tag) == 0 || len(sh.Tag) > 31 {
			return fmt.Errorf("share tag %q: 1 to 31 bytes", sh.Tag)
		}
	}
	if s.Agent.CID != 0 && (s.Agent.CID < 3 || s.Agent.VHost == nil) {
		return fmt.Errorf("agent by vsock: address %d must be 3 or more and come with the open /dev/vhost-vsock", s.Agent.CID)
	}
	return nil
}

// maxSerial is the length of a virtio-blk device's serial (virtio 1.2, 5.2.6.1).
const maxSerial = 20

func (n NIC) check() error {
	if !validID(n.ID) {
		return fmt.Errorf("NIC id %q: letters, digits and -_., a letter first", n.ID)
	}
	if len(n.Taps) == 0 {
		return fmt.Errorf("NIC %s has no tap", n.ID)
	}
	if len(n.VHosts) != 0 && len(n.VHosts) != len(n.Taps) {
		return fmt.Errorf("NIC %s has %d taps and %d vhost devices: as many or none", n.ID, len(n.Taps), len(n.VHosts))
	}
	return nil
}
