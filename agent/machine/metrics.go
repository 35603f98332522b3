package machine

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Metrics answers the guest's and the agent's figures in Prometheus's text
// format. containers is how many there are.
func Metrics(containers int) (string, error) {
	var out bytes.Buffer
	gauge := func(name, help string, value any) {
		fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s gauge\n%s %v\n", name, help, name, name, value)
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return "", err
	}
	resident, err := residentPages(statm)
	if err != nil {
		return "", err
	}
	gauge("kata_agent_resident_memory_bytes", "Resident memory of the agent.", resident*uint64(os.Getpagesize()))
	gauge("kata_agent_goroutines", "Goroutines of the agent.", runtime.NumGoroutine())
	gauge("kata_agent_containers", "Containers in the guest.", containers)
	memory, err := memInfo()
	if err != nil {
		return "", err
	}
	for _, m := range [][3]string{
		{"MemTotal", "kata_guest_memory_total_bytes", "Memory of the guest."},
		{"MemFree", "kata_guest_memory_free_bytes", "Memory of the guest that nobody uses."},
		{"MemAvailable", "kata_guest_memory_available_bytes", "Memory that programs of the guest can still get."},
		{"Cached", "kata_guest_memory_cached_bytes", "Page cache of the guest."},
	} {
		gauge(m[1], m[2], memory[m[0]])
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	for i, field := range strings.Fields(string(load)) {
		if i == 3 {
			break
		}
		minutes := [3]int{1, 5, 15}[i]
		gauge(fmt.Sprintf("kata_guest_load%d", minutes), fmt.Sprintf("Load average of the guest over %d minutes.", minutes), field)
	}
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return "", err
	}
	if fields := strings.Fields(string(uptime)); len(fields) > 0 {
		gauge("kata_guest_uptime_seconds", "Time since the guest's boot.", fields[0])
	}
	return out.String(), nil
}

func residentPages(statm []byte) (uint64, error) {
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: unexpected content %q", statm)
	}
	return strconv.ParseUint(fields[1], 10, 64)
}
