// Command probe is an init that says which kernel runs it and powers the
// machine off: the floor of what a boot costs, and the proof that an image's
// modules load. It stands in for the agent in boot tests and benchmarks.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	report, err := probe()
	if err != nil {
		report += " error=" + strings.ReplaceAll(err.Error(), " ", "_")
	}
	// /dev/kmsg: the console may be a device whose driver has only just come.
	if f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0); err == nil {
		fmt.Fprintln(f, "<2>kata-probe:", report)
		f.Close()
	}
	fmt.Println("kata-probe:", report)
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		// microvm has no power button; its reset ends QEMU run with -no-reboot.
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	}
}

func probe() (string, error) {
	for _, m := range []struct{ kind, at string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return "", fmt.Errorf("mount %s: %w", m.kind, err)
		}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	report := "kernel=" + unix.ByteSliceToString(u.Release[:])
	loaded, err := modules()
	report += fmt.Sprintf(" modules=%d", loaded)
	if err != nil {
		return report, err
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return report, err
	}
	for _, fs := range []string{"9p", "virtiofs", "overlay"} {
		report += fmt.Sprintf(" %s=%t", fs, strings.Contains(string(known), "\t"+fs+"\n"))
	}
	virtio, err := os.ReadDir("/sys/bus/virtio/devices")
	if err != nil {
		return report, err
	}
	report += fmt.Sprintf(" virtio=%d", len(virtio))
	// The kernel hands words that it does not know to init.
	if len(os.Args) > 1 && os.Args[1] == "demand" {
		for _, fs := range []string{"ext4", "xfs"} {
			// Any other refusal comes from the file system itself.
			report += fmt.Sprintf(" %s=%t", fs, unix.Mount("none", "/mnt", fs, 0, "") != unix.ENODEV)
		}
	}
	return report, nil
}

// modules loads what the image's list names.
func modules() (int, error) {
	list, err := os.Open("/etc/kata-agent/modules")
	if err != nil {
		return 0, err
	}
	defer list.Close()
	n := 0
	for lines := bufio.NewScanner(list); lines.Scan(); n++ {
		f, err := os.Open(lines.Text())
		if err != nil {
			return n, err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && err != unix.EEXIST {
			return n, fmt.Errorf("load %s: %w", lines.Text(), err)
		}
	}
	return n, nil
}
