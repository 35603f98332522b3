package report

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is the host on which was measured.
type Machine struct {
	CPU    string
	Cores  int
	Memory uint64 // bytes
	Kernel string
	// OS is the distribution's name.
	OS string
	// LoadBefore and LoadAfter are the load average of the minute: what else the
	// host did makes every figure worse.
	LoadBefore, LoadAfter float64
}

// DescribeMachine looks at this host. What cannot be found out stays empty.
func DescribeMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), LoadBefore: Load()}
	m.CPU = field("/proc/cpuinfo", ":", "model name")
	m.OS = strings.Trim(field("/etc/os-release", "=", "PRETTY_NAME"), `"`)
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = info.Totalram * uint64(info.Unit)
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// Load answers the load average of the last minute.
func Load() float64 {
	var load float64
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(data), &load); err != nil {
		return 0
	}
	return load
}

// field answers the first value of a name in a file of "name SEP value" lines.
func field(path, separator, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), separator)
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
