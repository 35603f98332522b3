package footprint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Activity is what processes have done so far: how often their threads were
// switched to and away, and how long they ran.
type Activity struct {
	// Switches is the number of context switches, voluntary or not, Of by role.
	Switches int64
	Of       map[string]int64
	CPU      time.Duration
}

// tick is the unit of times in /proc/PID/stat: USER_HZ, which is 100 on every
// architecture that Linux has for years (proc(5)).
const tick = 10 * time.Millisecond

// Active adds up the activity of processes (by pid, with their roles). Threads
// that have ended are missed in Switches.
func Active(processes map[int]string) (Activity, error) {
	a := Activity{Of: map[string]int64{}}
	for pid, role := range processes {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		if err != nil {
			return a, err
		}
		if len(tasks) == 0 {
			return a, fmt.Errorf("process %d (%s) has ended", pid, role)
		}
		for _, task := range tasks {
			n, err := switches(task)
			if err != nil {
				return a, err
			}
			a.Switches += n
			a.Of[role] += n
		}
		cpu, err := cpuTime(pid)
		if err != nil {
			return a, err
		}
		a.CPU += cpu
	}
	return a, nil
}

// Since answers what was done since before.
func (a Activity) Since(before Activity) Activity {
	d := Activity{Switches: a.Switches - before.Switches, CPU: a.CPU - before.CPU, Of: map[string]int64{}}
	for role, n := range a.Of {
		d.Of[role] = n - before.Of[role]
	}
	return d
}

// switches reads a thread's status; one that has ended meanwhile counts as none.
func switches(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, nil
	}
	var sum int64
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(string(line), ":")
		if key != "voluntary_ctxt_switches" && key != "nonvoluntary_ctxt_switches" {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		sum += n
	}
	return sum, nil
}

// cpuTime answers how long a process ran, in user mode and in the kernel.
func cpuTime(pid int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// The name in brackets may hold anything; utime and stime are the 14th and
	// 15th field, the state behind the name is the third (proc(5)).
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s is too short", path)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
