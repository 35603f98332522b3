package hypervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Check is what one look at the host found.
type Check struct {
	// Name says what was looked at ("qemu", "accelerator", "kernel", ...).
	Name string `json:"name"`
	// OK tells whether it is as it should be. Required tells whether VMs cannot
	// run without.
	OK       bool `json:"ok"`
	Required bool `json:"required"`
	// Result is what was found, or the cause of the failure.
	Result string `json:"result"`
	// Remedy is what to do about a failure, or how to do better; may be empty.
	Remedy string `json:"remedy,omitempty"`
}

// minVersion is the oldest QEMU that does all that Launch asks for: ACPI
// hot-plug on q35 came with 6.1 (QEMU wiki, ChangeLog/6.1).
var minVersion = [2]int{6, 1}

// Checks looks at all that this host needs for VMs of cfg. It starts nothing
// but QEMU for its version.
func Checks(ctx context.Context, cfg *Config) []Check {
	return []Check{
		checkQEMU(ctx, cfg),
		checkMachine(cfg),
		checkAccelerator(cfg),
		assetCheck("kernel", cfg.Kernel),
		checkRoot(cfg),
		deviceCheck("vsock", "/dev/vhost-vsock", cfg.UseVSock, "the agent is reached by a serial port through kata-proxy",
			"modprobe vhost_vsock"),
		deviceCheck("vhost-net", "/dev/vhost-net", !cfg.DisableVhostNet, "QEMU itself moves the network's packets",
			"modprobe vhost_net"),
		deviceCheck("tun", "/dev/net/tun", true, "", "modprobe tun"),
	}
}

func checkQEMU(ctx context.Context, cfg *Config) Check {
	c := Check{Name: "qemu", Required: true}
	version, err := Version(ctx, cfg)
	if err != nil {
		c.Result = err.Error()
		return c
	}
	c.Result = version
	c.OK = newEnough(version)
	if !c.OK {
		c.Remedy = fmt.Sprintf("install QEMU %d.%d or later", minVersion[0], minVersion[1])
	}
	return c
}

// newEnough compares "7.2.22 (Debian ...)" with minVersion; what cannot be
// read is taken as new.
func newEnough(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if err1 != nil || err2 != nil {
		return true
	}
	return a > minVersion[0] || a == minVersion[0] && b >= minVersion[1]
}

// Version asks QEMU's binary for its version ("7.2.22 (Debian 1:7.2+dfsg-7)").
// It costs a process start, so no VM's start waits for it.
func Version(ctx context.Context, cfg *Config) (string, error) {
	path, err := exec.LookPath(cfg.binary())
	if err != nil {
		return "", cfg.binaryError(err)
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	version, found := strings.CutPrefix(line, "QEMU emulator version ")
	if !found {
		return "", fmt.Errorf("[hypervisor.qemu] path: %s is no QEMU: it says %.80q", path, line)
	}
	return version, nil
}

func checkMachine(cfg *Config) Check {
	c := Check{Name: "machine", Required: true}
	m, err := findMachine(cfg)
	if err == nil {
		err = cfg.checkValues(m)
	}
	if err != nil {
		c.Result = err.Error()
		return c
	}
	c.OK, c.Result = true, m.name+" for "+m.arch
	return c
}

func checkAccelerator(cfg *Config) Check {
	c := Check{Name: "accelerator", Required: true}
	name, reason, err := Accelerator(cfg)
	if err != nil {
		c.Result = err.Error()
		return c
	}
	c.OK, c.Result = true, name+": "+reason
	if name == AccelTCG && cfg.Accelerator != AccelTCG {
		c.Remedy = "guests run several times slower than with KVM: enable virtualization in the firmware or, in a VM, nested virtualization"
	}
	return c
}

func assetCheck(key, path string) Check {
	c := Check{Name: key, Required: true, OK: true, Result: path}
	if err := checkAsset(key, path); err != nil {
		c.OK, c.Result = false, err.Error()
	}
	return c
}

func checkRoot(cfg *Config) Check {
	switch {
	case cfg.Initrd != "" && cfg.Image != "":
		return Check{Name: "root", Required: true, Result: errTwoRoots.Error()}
	case cfg.Initrd != "":
		return assetCheck("initrd", cfg.Initrd)
	}
	return assetCheck("image", cfg.Image)
}

// deviceCheck looks for a device that makes things better: wanted tells
// whether the configuration would use it, without what happens else.
func deviceCheck(name, path string, wanted bool, without, remedy string) Check {
	c := Check{Name: name, Required: without == "", OK: true, Result: path}
	if !wanted {
		c.Result = "not used: the configuration forbids it"
		return c
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		f.Close()
		return c
	}
	c.OK, c.Result, c.Remedy = false, err.Error(), remedy
	if errors.Is(err, os.ErrNotExist) && without != "" {
		c.Result = path + " does not exist: " + without
	}
	return c
}
