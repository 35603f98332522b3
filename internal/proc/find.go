package proc

import (
	"fmt"
	"os"
	"strconv"
)

// WithWorkingDir finds all processes whose working directory is the folder
// given. A folder that was removed, and processes that end meanwhile, are no error.
func WithWorkingDir(dir string) ([]Handle, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("look for processes in %s: %w", dir, err)
	}
	want, err := os.Stat(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for processes in %s: %w", dir, err)
	}
	var found []Handle
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// By inode, not by name: the process may be in another mount namespace.
		info, err := os.Stat("/proc/" + e.Name() + "/cwd")
		if err != nil || !os.SameFile(info, want) {
			continue
		}
		if h, err := Of(pid); err == nil && pid != os.Getpid() {
			found = append(found, h)
		}
	}
	return found, nil
}
