package machine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

const memoryBlocks = "/sys/devices/system/memory"

// Details describes the guest.
func Details(isInit bool) (*agentpb.GuestDetailsReply, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, fmt.Errorf("uname: %w", err)
	}
	memory, err := memInfo()
	if err != nil {
		return nil, err
	}
	block, err := blockSize()
	if err != nil {
		return nil, err
	}
	types, err := filesystems()
	if err != nil {
		return nil, err
	}
	cpus, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &agentpb.GuestDetailsReply{
		AgentPath: program,
		Kernel:    unix.ByteSliceToString(u.Release[:]), Machine: unix.ByteSliceToString(u.Machine[:]),
		KernelBuild: unix.ByteSliceToString(u.Version[:]), Cpus: cpus,
		MemoryTotal: memory["MemTotal"], MemoryFree: memory["MemFree"], MemoryAvailable: memory["MemAvailable"],
		MemoryBlockSize: block, AgentIsInit: isInit, Seccomp: hasSeccomp(), Filesystems: types,
	}, nil
}

// memInfo answers /proc/meminfo, in bytes.
func memInfo() (map[string]uint64, error) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	return parseMemInfo(data), nil
}

func parseMemInfo(data []byte) map[string]uint64 {
	values := map[string]uint64{}
	for line := range bytes.Lines(data) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			continue
		}
		if len(fields) > 2 && fields[2] == "kB" {
			n *= 1024
		}
		values[strings.TrimSuffix(fields[0], ":")] = n
	}
	return values
}

// blockSize answers the granularity of memory hot-plug, 0 without hot-plug.
func blockSize() (uint64, error) {
	data, err := os.ReadFile(memoryBlocks + "/block_size_bytes")
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(data)), 16, 64)
}

func hasSeccomp() bool {
	// EFAULT: the kernel knows the mode and missed the filter.
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0)
	return errors.Is(err, unix.EFAULT)
}

func filesystems() ([]string, error) {
	file, err := os.Open("/proc/filesystems")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var types []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 0 {
			types = append(types, fields[len(fields)-1])
		}
	}
	return types, lines.Err()
}

func onlineCPUs() (uint32, error) {
	data, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return uint32(runtime.NumCPU()), nil
	}
	return countList(strings.TrimSpace(string(data)))
}

// countList counts the members of a list as the kernel writes it: "0-2,5".
func countList(list string) (uint32, error) {
	var count uint32
	for _, part := range strings.Split(list, ",") {
		if part == "" {
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("list %q: %w", list, err)
		}
		b, err := strconv.ParseUint(last, 10, 16)
		if err != nil || b < a {
			return 0, fmt.Errorf("list %q is malformed", list)
		}
		count += uint32(b-a) + 1
	}
	return count, nil
}
