package boot

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ReopenConsole takes the console for the agent's output if it had none at the
// start: its driver may be one of the modules.
func ReopenConsole() error {
	target, err := os.Readlink("/proc/self/fd/2")
	if err != nil || target != "/dev/null" {
		return err
	}
	fd, err := unix.Open("/dev/console", unix.O_WRONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // a guest without a console
	}
	defer unix.Close(fd)
	for _, std := range []int{1, 2} {
		if err := unix.Dup3(fd, std, 0); err != nil {
			return fmt.Errorf("take console: %w", err)
		}
	}
	return nil
}
