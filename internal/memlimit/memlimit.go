// Package memlimit tells whether this process's cgroups limit its memory.
package memlimit

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
)

// noLimit is beyond all memory: cgroup v1 has a number of that size, cut to
// pages, where nobody has set a limit.
const noLimit = 1 << 60

// There tells whether a cgroup of this process, or one above it, limits its
// memory; also if that cannot be found out. Both versions of cgroups, and both
// at once, are understood; they have to be mounted at their usual places.
func There() bool { return there("/proc/self/cgroup", "/sys/fs/cgroup") }

func there(own, mounts string) bool {
	groups, err := cgroups.ParseCgroupFile(own)
	if err != nil {
		return true
	}
	if path, found := groups["memory"]; found {
		return first(filepath.Join(mounts, "memory", path, "memory.stat"))
	}
	path, found := groups[""]
	return !found || second(mounts, path)
}

// first reads version 1's sum of all limits above a group.
func first(stat string) bool {
	data, err := os.ReadFile(stat)
	if err != nil {
		return true
	}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		if text, found := strings.CutPrefix(s.Text(), "hierarchical_memory_limit "); found {
			limit, err := strconv.ParseUint(text, 10, 64)
			return err != nil || limit < noLimit
		}
	}
	return true
}

// second looks at a group of version 2 and at all above it. The root has no
// limit, and groups without the controller have none either.
func second(mount, path string) bool {
	for _, name := range []string{"cgroup.controllers", path} {
		if _, err := os.Stat(filepath.Join(mount, name)); err != nil {
			return true
		}
	}
	for p := filepath.Clean("/" + path); p != "/"; p = filepath.Dir(p) {
		data, err := os.ReadFile(filepath.Join(mount, p, "memory.max"))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil || strings.TrimSpace(string(data)) != "max" {
			return true
		}
	}
	return false
}
