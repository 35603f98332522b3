package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// checkOwn names the first of the guest kernel's own files that a mount binds and
// that this kernel does not have: libcontainer's message would read as if it were
// missing on the host.
func checkOwn(mounts []specs.Mount) error {
	for i, m := range mounts {
		if !strings.HasPrefix(m.Source, "/dev/") && !strings.HasPrefix(m.Source, "/proc/") && !strings.HasPrefix(m.Source, "/sys/") {
			continue
		}
		if _, err := os.Stat(m.Source); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mounts[%d] (%s): the guest's kernel has no %s: leave the mount out, or use a guest kernel with its driver", i, m.Destination, m.Source)
		}
	}
	return nil
}
