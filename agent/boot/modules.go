package boot

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ModuleList names the kernel modules of the image: an absolute path a line,
// each behind those that it needs. Without the file there are none.
const ModuleList = "/etc/kata-agent/modules"

// filterList names those that LoadPacketFilters loads.
const filterList = "/etc/kata-agent/modules.filters"

// LoadModules loads all modules of a list, in its order. One that fails does
// not keep the others from being tried: a guest may do without.
func LoadModules(list string) error {
	file, err := os.Open(list)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	var errs []error
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		path := strings.TrimSpace(lines.Text())
		if path == "" || strings.HasPrefix(path, "#") {
			continue
		}
		if err := loadModule(path); err != nil {
			errs = append(errs, fmt.Errorf("load module %s: %w", path, err))
		}
	}
	return errors.Join(append(errs, lines.Err())...)
}

// LoadPacketFilters loads, once, what iptables(8) of the older kind and ip6tables(8)
// need of a kernel with modules. Nobody asks the kernel for it: they call modprobe,
// which in a container finds nothing. On a host that runs containers it is loaded.
var LoadPacketFilters = sync.OnceValue(func() error {
	return LoadModules(filterList)
})

func loadModule(path string) error {
	if !filepath.IsAbs(path) {
		return errors.New("path is not absolute")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	err = unix.FinitModule(int(file.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
