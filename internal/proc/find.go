package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// markVariable is in the environment of every process that is started for a
// sandbox. Children inherit it, and neither chroot nor a change of the working
// folder loses it.
const markVariable = "KATA_SANDBOX"

// Mark answers the environment variable ("NAME=VALUE") of processes that
// belong to the folder dir, by which Marked finds them.
func Mark(dir string) string { return markVariable + "=" + dir }

// Marked finds all processes with the folder's mark, whoever started them.
// Processes that end meanwhile are no error.
func Marked(dir string) ([]Handle, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("look for processes of %s: %w", dir, err)
	}
	var found []Handle
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !contains(environ, Mark(dir)) {
			continue
		}
		if h, err := Of(pid); err == nil {
			found = append(found, h)
		}
	}
	return found, nil
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
