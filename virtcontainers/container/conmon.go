package container

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// persistDir answers where the process, if it is a conmon, keeps what its engine
// asks for later (--persist-dir); "" if there is none. Of a kill for want of
// memory conmon makes the file "oom" there and in the bundle (conmon 2.1,
// src/oom.c), and Podman 5 looks for it there only (libpod, OOMFilePath).
// Nothing that a runtime is given tells of this folder.
func persistDir(pid int) string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	args := strings.Split(string(line), "\x00")
	if filepath.Base(args[0]) != "conmon" {
		return ""
	}
	if i := slices.Index(args, "--persist-dir"); i > 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}
