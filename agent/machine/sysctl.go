package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// sysctls is where the kernel's settings are.
const sysctls = "/proc/sys"

type sysctl struct{ file, value string }

// set writes settings below dir. What a kernel does not have is left out.
func set(dir string, list []sysctl) error {
	var errs []error
	for _, s := range list {
		f, err := os.OpenFile(filepath.Join(dir, s.file), os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = f.WriteString(s.value)
			err = errors.Join(err, f.Close())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
