package storage

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// flags are the words of mount(8) that are flags of mount(2); clear says that
// the word takes the flag away.
var flags = map[string]struct {
	clear bool
	flag  uintptr
}{
	"ro": {false, unix.MS_RDONLY}, "rw": {true, unix.MS_RDONLY},
	"nosuid": {false, unix.MS_NOSUID}, "suid": {true, unix.MS_NOSUID},
	"nodev": {false, unix.MS_NODEV}, "dev": {true, unix.MS_NODEV},
	"noexec": {false, unix.MS_NOEXEC}, "exec": {true, unix.MS_NOEXEC},
	"sync": {false, unix.MS_SYNCHRONOUS}, "async": {true, unix.MS_SYNCHRONOUS},
	"dirsync": {false, unix.MS_DIRSYNC},
	"noatime": {false, unix.MS_NOATIME}, "atime": {true, unix.MS_NOATIME},
	"nodiratime": {false, unix.MS_NODIRATIME}, "diratime": {true, unix.MS_NODIRATIME},
	"relatime": {false, unix.MS_RELATIME}, "norelatime": {true, unix.MS_RELATIME},
	"strictatime": {false, unix.MS_STRICTATIME}, "lazytime": {false, unix.MS_LAZYTIME},
	"mand": {false, unix.MS_MANDLOCK}, "nomand": {true, unix.MS_MANDLOCK},
	"bind": {false, unix.MS_BIND}, "rbind": {false, unix.MS_BIND | unix.MS_REC},
	"defaults": {false, 0},
}

// parseOptions splits mount(8) options into flags and the rest, which is the
// file system's. A later word wins over an earlier one.
func parseOptions(options []string) (flag uintptr, data string) {
	var rest []string
	for _, list := range options {
		for _, word := range strings.Split(list, ",") {
			f, known := flags[word]
			switch {
			case word == "":
			case !known:
				rest = append(rest, word)
			case f.clear:
				flag &^= f.flag
			default:
				flag |= f.flag
			}
		}
	}
	return flag, strings.Join(rest, ",")
}

// numeric answers the value of an option like "mode=0750", or what it is without it.
func numeric(options []string, name string, base int, without uint32) (uint32, error) {
	for _, option := range options {
		text, ok := strings.CutPrefix(option, name+"=")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(text, base, 32)
		if err != nil || base == 8 && n > 0o7777 {
			return 0, fmt.Errorf("%w: %s %q", ErrInvalid, name, text)
		}
		without = uint32(n)
	}
	return without, nil
}
