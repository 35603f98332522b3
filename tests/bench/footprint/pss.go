// Package footprint tells what a sandbox holds: memory of its host processes,
// memory used in its guest, and the sizes of the files that it is made of.
package footprint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// PSS answers a process's proportional set size in bytes: its own pages, and
// of shared ones its share (proc(5), smaps_rollup).
func PSS(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := kilobytes(data, "Pss")
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// errNoField is the answer about a line that is not there.
var errNoField = errors.New("no such line")

// kilobytes finds a line "NAME:   N kB" and answers its value in bytes.
func kilobytes(data []byte, name string) (int64, error) {
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(string(line), ":")
		if key != name {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil || n < 0 || n > 1<<50 {
			return 0, fmt.Errorf("unexpected %q", strings.TrimSpace(string(line)))
		}
		return n * 1024, nil
	}
	return 0, fmt.Errorf("%s: %w", name, errNoField)
}

// Guest is memory in a guest, in bytes.
type Guest struct{ Total, Used int64 }

// GuestMemory reads a guest's /proc/meminfo. What the guest could free for the
// asking counts as not used.
func GuestMemory(meminfo []byte) (Guest, error) {
	total, err := kilobytes(meminfo, "MemTotal")
	available, err2 := kilobytes(meminfo, "MemAvailable")
	if err = errors.Join(err, err2); err != nil {
		return Guest{}, fmt.Errorf("guest's meminfo: %w", err)
	}
	if available > total {
		return Guest{}, fmt.Errorf("guest's meminfo: %d bytes available of %d", available, total)
	}
	return Guest{Total: total, Used: total - available}, nil
}

// descendants answers the processes given and all below them, with the roles
// of those that they descend from.
func descendants(roles map[int]string) (map[int]string, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	parent := map[int]int{}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name in brackets may hold anything (proc(5)).
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || len(fields) < 2 {
			continue
		}
		if parent[pid], err = strconv.Atoi(fields[1]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	all := map[int]string{}
	for pid := range parent {
		for up, depth := pid, 0; up > 1 && depth < 100; up, depth = parent[up], depth+1 {
			if role, known := roles[up]; known {
				all[pid] = role
				break
			}
		}
	}
	return all, nil
}
