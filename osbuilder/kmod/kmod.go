// Package kmod finds kernel modules of an unpacked kernel package and the
// order in which they have to be loaded. It reads the modules themselves
// (.modinfo): Debian's packages carry no modules.dep, depmod makes that on
// the machine where they get installed.
package kmod

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Index knows the modules below one lib/modules/RELEASE folder.
type Index struct {
	root    string
	files   map[string]string // name -> path relative to root
	builtin map[string]bool
	infos   map[string]*Info
}

// Info is what a module says of itself.
type Info struct {
	Depends []string
	// SoftPre are names or aliases to be loaded before, if they are there.
	SoftPre []string
	Aliases []string
}

// ErrNotFound says that a kernel has a module neither as file nor built in.
var ErrNotFound = errors.New("no such module")

// Name is the form in which modules name each other: no folder, no suffix,
// underscores for dashes.
func Name(path string) string {
	base := filepath.Base(path)
	if i := strings.Index(base, ".ko"); i >= 0 {
		base = base[:i]
	}
	return strings.ReplaceAll(base, "-", "_")
}

// Open indexes a lib/modules/RELEASE folder.
func Open(root string) (*Index, error) {
	x := &Index{root: root, files: map[string]string{}, builtin: map[string]bool{}, infos: map[string]*Info{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && (strings.HasSuffix(path, ".ko") || strings.HasSuffix(path, ".ko.xz") || strings.HasSuffix(path, ".ko.zst")) {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			x.files[Name(path)] = rel
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("modules: %w", err)
	}
	list, err := os.ReadFile(filepath.Join(root, "modules.builtin"))
	if err != nil {
		return nil, fmt.Errorf("modules: %w", err)
	}
	for _, line := range strings.Fields(string(list)) {
		x.builtin[Name(line)] = true
	}
	return x, nil
}

// Path answers where a module's uncompressed file belongs, relative to the
// lib/modules/RELEASE folder.
func (x *Index) Path(name string) string {
	file := x.files[name]
	return strings.TrimSuffix(strings.TrimSuffix(file, ".xz"), ".zst")
}

// Match answers, sorted, the modules that are files and fit one of the
// patterns (path.Match).
func (x *Index) Match(patterns []string) []string {
	var found []string
	for name := range x.files {
		if slices.ContainsFunc(patterns, func(p string) bool { ok, _ := filepath.Match(p, name); return ok }) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// Read answers a module's uncompressed content.
func (x *Index) Read(name string) ([]byte, error) {
	file, there := x.files[name]
	if !there {
		return nil, ErrNotFound
	}
	path := filepath.Join(x.root, file)
	var cmd *exec.Cmd
	switch filepath.Ext(path) {
	case ".xz":
		cmd = exec.Command("xz", "-dc", path)
	case ".zst":
		cmd = exec.Command("zstd", "-dcq", path)
	default:
		return os.ReadFile(path)
	}
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.Args[0], err)
	}
	return data, nil
}

// Info reads a module's own description, once, also that of one that is built in.
func (x *Index) Info(name string) (*Info, error) {
	if info, known := x.infos[name]; known {
		return info, nil
	}
	var info *Info
	var data []byte
	var err error
	if x.builtin[name] {
		info, err = x.builtinInfo(name)
	} else if data, err = x.Read(name); err == nil {
		info, err = Parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	x.infos[name] = info
	return info, nil
}

// builtinInfo is what a module that is built in says of itself.
func (x *Index) builtinInfo(name string) (*Info, error) {
	raw, err := os.ReadFile(filepath.Join(x.root, "modules.builtin.modinfo"))
	if err != nil {
		return nil, err
	}
	var own [][]byte
	for _, field := range bytes.Split(raw, []byte{0}) {
		if module, field, ok := bytes.Cut(field, []byte(".")); ok && Name(string(module)) == name {
			own = append(own, field)
		}
	}
	return parseInfo(bytes.Join(own, []byte{0})), nil
}

// Parse reads the .modinfo section of a module.
func Parse(data []byte) (*Info, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no .modinfo section")
	}
	raw, err := section.Data()
	if err != nil {
		return nil, err
	}
	return parseInfo(raw), nil
}

func parseInfo(raw []byte) *Info {
	info := new(Info)
	for _, field := range bytes.Split(raw, []byte{0}) {
		key, value, _ := strings.Cut(string(field), "=")
		switch key {
		case "depends":
			for _, name := range strings.Split(value, ",") {
				if name != "" {
					info.Depends = append(info.Depends, Name(name))
				}
			}
		case "alias":
			info.Aliases = append(info.Aliases, value)
		case "softdep":
			pre := false
			for _, word := range strings.Fields(value) {
				switch word {
				case "pre:":
					pre = true
				case "post:":
					pre = false
				default:
					if pre {
						info.SoftPre = append(info.SoftPre, word)
					}
				}
			}
		}
	}
	return info
}

// Order answers the names of the wanted modules and of all that they need, in
// an order in which they can be loaded; the wanted ones keep theirs. What is
// built in is left out. A soft dependency that no file is named after is taken
// as the name of an algorithm ("crc32c"), of which the plain implementation
// ("crc32c_generic") serves everywhere.
func (x *Index) Order(wanted []string) ([]string, error) {
	var order, trail []string
	done := map[string]bool{}
	var visit func(name string, soft bool) error
	visit = func(name string, soft bool) error {
		name = Name(name)
		if done[name] || x.builtin[name] {
			return nil
		}
		if _, there := x.files[name]; !there {
			if soft {
				return nil
			}
			return fmt.Errorf("module %s: %w", strings.Join(append(trail, name), " needs "), ErrNotFound)
		}
		if slices.Contains(trail, name) {
			return fmt.Errorf("module %s: needs itself", strings.Join(append(trail, name), " needs "))
		}
		trail = append(trail, name)
		defer func() { trail = trail[:len(trail)-1] }()
		info, err := x.Info(name)
		if err != nil {
			return err
		}
		for _, need := range info.SoftPre {
			if _, there := x.files[Name(need)]; !there {
				need += "_generic"
			}
			if err := visit(need, true); err != nil {
				return err
			}
		}
		for _, need := range info.Depends {
			if err := visit(need, false); err != nil {
				return err
			}
		}
		done[name] = true
		order = append(order, name)
		return nil
	}
	for _, name := range wanted {
		if err := visit(name, false); err != nil {
			return nil, err
		}
	}
	return order, nil
}
