package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// etcDir is the administrator's folder.
const etcDir = "/etc/kata-containers"

// maxFile is the largest file that is read, in bytes: far above any real
// configuration, far below what could hurt.
const maxFile = 1 << 20

// ErrNoFile is the answer when no configuration file is at any usual place.
var ErrNoFile = errors.New("no configuration file")

// Paths are the places of the configuration file, in the order in which they
// are tried.
func Paths() []string {
	return []string{
		filepath.Join(etcDir, "configuration.toml"),
		filepath.Join(prefix, "share/defaults/kata-containers/configuration.toml"),
	}
}

// Load reads the configuration file at path, or the first of Paths for an
// empty one, and then the drop-ins: every config.d/*.toml beside it in lexical
// order, and with an empty path those of /etc/kata-containers/config.d too, so
// that an administrator can change single keys of what a package installed.
// A later file replaces single values, lists as a whole.
//
// The error names file, line and key. Load looks at no file that the
// configuration names: those are checked when they are used, and by kata-check.
func Load(path string) (*Config, *Origins, error) {
	return load(path, Paths(), filepath.Join(etcDir, "config.d"))
}

// load is Load with the usual places and the administrator's drop-ins given.
func load(path string, places []string, adminDropIns string) (*Config, *Origins, error) {
	var dirs []string
	if path == "" {
		// A link to nowhere is a mistake to report, not a missing file.
		i := slices.IndexFunc(places, func(p string) bool { _, err := os.Lstat(p); return !errors.Is(err, fs.ErrNotExist) })
		if i < 0 {
			return nil, nil, fmt.Errorf("%w: neither %s exists: install kata-runtime (make install) or name a file with --kata-config",
				ErrNoFile, strings.Join(places, " nor "))
		}
		path = places[i]
		dirs = append(dirs, adminDropIns)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	// A file that is linked to its place has its drop-ins where the link is.
	if beside := filepath.Join(filepath.Dir(path), "config.d"); !slices.Contains(dirs, beside) {
		dirs = slices.Insert(dirs, 0, beside)
	}
	files := []string{path}
	for _, dir := range dirs {
		more, err := dropIns(dir)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, more...)
	}
	return read(files)
}

// dropIns answers the files of a config.d folder in lexical order; a folder
// that is not there has none.
func dropIns(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("configuration drop-ins: %w", err)
	}
	var files []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".toml" && e.Name()[0] != '.' {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

func read(files []string) (*Config, *Origins, error) {
	sources := make([]source, len(files))
	for i, name := range files {
		data, err := readFile(name)
		if err != nil {
			return nil, nil, fmt.Errorf("configuration: %w", err)
		}
		sources[i] = source{name, data}
	}
	return parse(sources)
}

func readFile(name string) ([]byte, error) {
	// Looked at first: opening a fifo would wait for its writer.
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that a configuration may have", name, info.Size(), maxFile)
	}
	return os.ReadFile(name)
}

// Parse reads one document without drop-ins; name stands for it in messages.
func Parse(name string, data []byte) (*Config, *Origins, error) {
	return parse([]source{{name, data}})
}

// source is a file's name and content.
type source struct {
	name string
	data []byte
}

// parse lays the sources over each other and over the defaults.
func parse(sources []source) (*Config, *Origins, error) {
	o := &Origins{values: map[string]value{}}
	for _, s := range sources {
		o.Files = append(o.Files, s.name)
		// A byte order mark, as some editors write, is no part of the text.
		values, err := decode(s.name, string(bytes.TrimPrefix(s.data, []byte("\xef\xbb\xbf"))))
		if err != nil {
			return nil, nil, err
		}
		for name, v := range values {
			o.values[name] = v
		}
	}
	c := Default()
	for _, name := range o.sorted() {
		k, v := find(name), o.values[name]
		if text, ok := v.v.(string); ok && k.Old[text] != "" {
			v.v = k.Old[text]
			o.Warnings = append(o.Warnings, fmt.Sprintf("%s: %s = %q is not supported any more: %q is used", v.at, k.Name, text, v.v))
		}
		if err := set(c, k, v.v); err != nil {
			return nil, nil, fmt.Errorf("%s: %s: %w", v.at, k.Name, err)
		}
		if k.Inert != "" && !equal(v.v, k.Default) && !empty(v.v) {
			o.Warnings = append(o.Warnings, fmt.Sprintf("%s: %s has no effect: %s", v.at, k.Name, k.Inert))
		}
	}
	if err := checkTogether(c, o); err != nil {
		return nil, nil, err
	}
	return c, o, nil
}
