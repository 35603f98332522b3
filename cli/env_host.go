package main

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/kata-go/kata-runtime/config"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

type envHost struct {
	Kernel, Architecture string
	// VMContainerCapable: containers can run in VMs here, if slowly.
	// HardwareAccelerated: with KVM.
	VMContainerCapable, HardwareAccelerated, SupportVSocks bool
	Distro                                                 envDistro
	CPU                                                    envCPU
	Memory                                                 envMemory
}

type envDistro struct{ Name, Version string }

type envCPU struct {
	Vendor, Model string
	CPUs          int
}

// envMemory is in bytes.
type envMemory struct{ Total, Available uint64 }

func describeHost(c *config.Config) envHost {
	release := keyValues("/etc/os-release", "=")
	cpu := keyValues("/proc/cpuinfo", ":")
	total, _ := memInfo("MemTotal")
	available, _ := memInfo("MemAvailable")
	_, vsock := os.Stat("/dev/vhost-vsock")
	accel, _, err := hypervisor.Accelerator(&c.Hypervisor.QEMU.VM)
	return envHost{
		Kernel:              hostKernel(),
		Architecture:        runtime.GOARCH,
		VMContainerCapable:  err == nil,
		HardwareAccelerated: accel == "kvm",
		SupportVSocks:       vsock == nil,
		Distro:              envDistro{release["NAME"], release["VERSION_ID"]},
		// arm64 has no names, only numbers.
		CPU:    envCPU{first(cpu["vendor_id"], cpu["CPU implementer"]), first(cpu["model name"], cpu["CPU part"]), runtime.NumCPU()},
		Memory: envMemory{total, available},
	}
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// keyValues reads lines of a name, a separator and a value, quoted or not; of
// a name that comes again the first value counts. A file that cannot be read
// has none.
func keyValues(path, separator string) map[string]string {
	found := map[string]string{}
	f, err := os.Open(path)
	if err != nil {
		return found
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, ok := strings.Cut(s.Text(), separator)
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || found[name] != "" {
			continue
		}
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		found[name] = value
	}
	return found
}
