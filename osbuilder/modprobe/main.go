// Command modprobe is what the guest's kernel starts (as /sbin/modprobe -q --
// NAME) when something asks for a driver that is not loaded: a file system at
// its first mount, a kind of network link, a packet filter's extension. It
// knows only the modules that the image carries, from a list made at build
// time. Under our own kernel, which has no modules, it is not in the image.
package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// list holds lines "ALIAS PATH...": what to load, in order, for a name.
const list = "/etc/kata-agent/modules.alias"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "modprobe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	name := ""
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			name = arg
			break
		}
	}
	if name == "" {
		return errors.New("no module named")
	}
	f, err := os.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()
	files, err := find(f, name)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s: no such module in this guest", name)
	}
	for _, file := range files {
		if err := load(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// find answers the files of the first line whose alias fits the name. An alias
// may be a pattern; dashes and underscores are the same.
func find(in io.Reader, name string) ([]string, error) {
	name = strings.ReplaceAll(name, "-", "_")
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		if fits, err := path.Match(words[0], name); err == nil && fits {
			return words[1:], nil
		}
	}
	return nil, lines.Err()
}

// maxModule bounds what a module may inflate to; the largest have 5 MB.
const maxModule = 64 << 20

// options keep modules from making devices that nobody has asked for, which the
// container would see (as systemd's modprobe.d/systemd.conf).
var options = map[string]string{
	"dummy": "numdummies=0", "ifb": "numifbs=0", "bonding": "max_bonds=0",
}

func load(file string) error {
	name, _, _ := strings.Cut(path.Base(file), ".")
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if path.Ext(file) != ".gz" {
		return loaded(unix.FinitModule(int(f.Fd()), options[name], 0))
	}
	r, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxModule))
	if err != nil {
		return err
	}
	return loaded(unix.InitModule(data, options[name]))
}

func loaded(err error) error {
	if err == unix.EEXIST {
		return nil
	}
	return err
}
