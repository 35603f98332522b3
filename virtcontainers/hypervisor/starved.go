package hypervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Starved tells for how long the host has had no CPU for the VM while it wanted
// one: the longest wait of a thread of its process, since that began (Linux,
// Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat"). 0 where the
// host's kernel does not count.
func (vm *VM) Starved() time.Duration {
	var longest time.Duration
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/schedstat", vm.Process.PID)) // the pattern is good
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		var ran, waited, slices int64 // nanoseconds, and a number
		if _, err := fmt.Sscan(string(data), &ran, &waited, &slices); err == nil {
			longest = max(longest, time.Duration(waited))
		}
	}
	return longest
}
