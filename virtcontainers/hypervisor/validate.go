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

var errTwoRoots = errors.New("[hypervisor.qemu] has both initrd and image: keep one of them")

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
		return errTwoRoots
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
	if c.EnableVirtioMem && !m.memHotplug {
		return fmt.Errorf("[hypervisor.qemu] enable_virtio_mem is not supported by machine_type %s: set it to false, or machine_type = \"q35\"", m.name)
	}
	if c.EnableVirtioMem && c.EnableMemPrealloc {
		return errors.New("[hypervisor.qemu] has both enable_virtio_mem and enable_mem_prealloc: keep one of them")
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
