package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that Linux has (include/asm-generic/param.h).
const tick = 1e9 / 100

// commandRoom is what the commands of a list may have together, in bytes; the
// rest of call.MaxReply is for what else is told of each process.
const commandRoom = call.MaxReply / 2

// List answers the processes in the container. One that ends meanwhile is left
// out. Commands that are too long for the answer together are cut off.
func (c *Container) List() ([]*agentpb.ProcessInfo, error) {
	if c.State() == Stopped {
		return nil, nil
	}
	pids, err := c.cgroup.GetAllPids()
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list processes of container %s: %w", c.ID, err)
	}
	known := c.Processes()
	list := make([]*agentpb.ProcessInfo, 0, len(pids))
	for _, pid := range pids {
		info, err := readProcess(pid)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list processes of container %s: %w", c.ID, err)
		}
		info.ExecId, info.Known = known[pid], false
		if _, ok := known[pid]; ok {
			info.Known = true
		}
		list = append(list, info)
	}
	shorten(list, commandRoom)
	return list, nil
}

// shorten cuts commands off so that all of them together have room bytes at most.
func shorten(list []*agentpb.ProcessInfo, room int) {
	total := 0
	for _, info := range list {
		total += len(info.Command)
	}
	if total <= room {
		return
	}
	for _, info := range list {
		info.Command = info.Command[:min(len(info.Command), room/len(list))]
	}
}

func readProcess(pid int) (*agentpb.ProcessInfo, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return nil, err
	}
	info, name, err := parseStat(stat)
	if err != nil {
		return nil, fmt.Errorf("%s/stat: %w", dir, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return nil, err
	}
	info.Uid = st.Uid
	line, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return nil, err
	}
	info.Command = strings.TrimRight(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})), " ")
	if info.Command == "" {
		info.Command = "[" + name + "]"
	}
	return info, nil
}

// parseStat reads /proc/PID/stat (proc(5)). The name in it may hold blanks and
// brackets, so the fields are counted from behind its last bracket.
func parseStat(stat []byte) (info *agentpb.ProcessInfo, name string, err error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return nil, "", fmt.Errorf("unexpected content %q", stat)
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 {
		return nil, "", fmt.Errorf("unexpected content %q", stat)
	}
	number := func(field int) int64 { // numbered as in proc(5)
		n, nerr := strconv.ParseInt(fields[field-3], 10, 64)
		if nerr != nil && err == nil {
			err = nerr
		}
		return n
	}
	pid, perr := strconv.ParseInt(strings.TrimSpace(string(stat[:open])), 10, 32)
	if perr != nil {
		return nil, "", perr
	}
	info = &agentpb.ProcessInfo{
		Pid: int32(pid), Ppid: int32(number(4)), StartNs: number(22) * tick,
		CpuNs: (number(14) + number(15)) * tick, Tty: ttyName(number(7)),
	}
	return info, string(stat[open+1 : end]), err
}

// ttyName writes a tty's number as ps does; devices.txt numbers them.
func ttyName(dev int64) string {
	major, minor := unix.Major(uint64(dev)), unix.Minor(uint64(dev))
	switch {
	case dev == 0:
		return "?"
	case major >= 136 && major <= 143:
		return "pts/" + strconv.Itoa(int(major-136)<<8|int(minor))
	case major == 4 && minor < 64:
		return "tty" + strconv.Itoa(int(minor))
	case major == 4:
		return "ttyS" + strconv.Itoa(int(minor)-64)
	case major == 229:
		return "hvc" + strconv.Itoa(int(minor))
	default:
		return fmt.Sprintf("%d:%d", major, minor)
	}
}
