package proc

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// markVariable is in the environment of every process that is started for a
// sandbox. Children inherit it, and neither chroot nor a change of the working
// folder loses it.
const markVariable = "KATA_SANDBOX"

// Mark answers the environment variable ("NAME=VALUE") of processes that
// belong to the folder dir, by which Marked finds them.
func Mark(dir string) string { return markVariable + "=" + dir }

// Unmarked answers an environment without such a variable: for a process that is
// a caller's own, and may outlive the sandbox.
func Unmarked(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, markVariable+"=") })
}

// replaceWait bounds what Marked waits in all for processes that are replacing
// their program. That takes a millisecond, unless the program's file system
// hangs, and then no sandbox's end shall hang with it.
const replaceWait = time.Second

// Marked finds all processes with the folder's mark, whoever started them.
// Processes that end meanwhile are no error.
func Marked(dir string) ([]Handle, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("look for processes of %s: %w", dir, err)
	}
	deadline := time.Now().Add(replaceWait)
	var found []Handle
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || !contains(environ(pid, deadline), Mark(dir)) {
			continue
		}
		if h, err := Of(pid); err == nil {
			found = append(found, h)
		}
	}
	return found, nil
}

// environ reads a process's environment; of one that has none, or is gone, it
// is empty. In the midst of an execve(2) the kernel shows none, too, so that a
// child that was just forked would be overlooked: it is waited for.
func environ(pid int, deadline time.Time) []byte {
	for {
		env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		if err != nil || len(env) > 0 {
			return env
		}
		s, err := stat(pid)
		if err != nil || s.memory == 0 || (s.code != 0 && s.envStart == s.envEnd) {
			return nil
		}
		if time.Now().After(deadline) {
			return nil
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// contains looks for a whole entry of an environment, whose entries end in NUL.
func contains(environ []byte, entry string) bool {
	for e := range bytes.SplitSeq(environ, []byte{0}) {
		if string(e) == entry {
			return true
		}
	}
	return false
}
