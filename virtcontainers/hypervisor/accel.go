package hypervisor

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The accelerators, as configured and as QEMU names them.
const (
	AccelAuto = "auto"
	AccelKVM  = "kvm"
	AccelTCG  = "tcg"
)

// Accelerator chooses between KVM and TCG and says why, for a person. The
// error is about a setting that this host cannot honour.
func Accelerator(cfg *Config) (name, reason string, err error) {
	return probe{device: "/dev/kvm", cpuinfo: "/proc/cpuinfo", hostArch: runtime.GOARCH}.choose(cfg)
}

// probe is where the answers come from, so that tests can give their own.
type probe struct {
	device, cpuinfo, hostArch string
}

func (p probe) choose(cfg *Config) (name, reason string, err error) {
	switch cfg.Accelerator {
	case AccelTCG:
		return AccelTCG, "the configuration asks for it", nil
	case AccelKVM:
		if err := p.kvm(cfg.arch()); err != nil {
			return "", "", fmt.Errorf("[hypervisor.qemu] accelerator = \"kvm\": %w; \"auto\" or \"tcg\" works without", err)
		}
		return AccelKVM, "the configuration asks for it", nil
	case AccelAuto, "":
		if err := p.kvm(cfg.arch()); err != nil {
			return AccelTCG, err.Error(), nil
		}
		return AccelKVM, p.device + " is usable and the CPU can virtualize", nil
	}
	return "", "", fmt.Errorf("[hypervisor.qemu] accelerator %q is not one of auto, kvm, tcg", cfg.Accelerator)
}

// kvm answers nil if KVM can be trusted to run a guest. A device that opens is
// not enough: there are hosts (VMs without nested virtualization) whose device
// opens, answers and creates a VM in which a guest hangs forever. The CPU's
// own flags tell the truth there.
func (p probe) kvm(guestArch string) error {
	if guestArch != p.hostArch {
		return fmt.Errorf("the guest is %s and the host %s", guestArch, p.hostArch)
	}
	if p.hostArch == "amd64" {
		flags, err := cpuFlags(p.cpuinfo)
		if err != nil {
			return err
		}
		if !slices.Contains(flags, "vmx") && !slices.Contains(flags, "svm") {
			return fmt.Errorf("the CPU announces neither vmx nor svm")
		}
	}
	f, err := os.OpenFile(p.device, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("KVM is not usable: %w", err)
	}
	defer f.Close()
	// Documentation/virt/kvm/api.rst, 4.1: the version is 12 and stays 12.
	const getAPIVersion, wantVersion = 0xAE00, 12
	version, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), getAPIVersion, 0)
	if errno != 0 {
		return fmt.Errorf("KVM is not usable: %s: %w", p.device, errno)
	}
	if version != wantVersion {
		return fmt.Errorf("KVM is not usable: %s has API version %d, not %d", p.device, version, wantVersion)
	}
	return nil
}

// cpuFlags answers the flags of the first CPU that cpuinfo lists.
func cpuFlags(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("CPU flags: %w", err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadString('\n')
		name, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) == "flags" {
			return strings.Fields(value), nil
		}
		if err == io.EOF {
			return nil, fmt.Errorf("%s lists no CPU flags", path)
		}
		if err != nil {
			return nil, fmt.Errorf("CPU flags: %w", err)
		}
	}
}
