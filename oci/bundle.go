// Package oci reads bundles (config.json of the OCI runtime-spec) and plans
// what of them happens on the host and what in the guest. It changes nothing.
package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Bundle is a container as the engine describes it.
type Bundle struct {
	// Path is the bundle's absolute folder.
	Path string
	// Rootfs is the absolute host path of the root file system.
	Rootfs string
	Spec   *specs.Spec
}

// maxConfig bounds config.json; engines' are a few dozen KiB.
const maxConfig = 16 << 20

// Load reads and checks the bundle in a folder.
func Load(dir string) (*Bundle, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	path := filepath.Join(abs, "config.json")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("bundle %s: JSON specification file config.json not found: make one with \"kata-runtime spec\"", abs)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", abs, err)
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("%s: %d bytes are more than a config.json may have (%d)", path, info.Size(), maxConfig)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", abs, err)
	}
	spec, err := ParseSpec(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b := &Bundle{Path: abs, Spec: spec, Rootfs: spec.Root.Path}
	if !filepath.IsAbs(b.Rootfs) {
		b.Rootfs = filepath.Join(abs, b.Rootfs)
	}
	for i, m := range spec.Mounts {
		// An engine's working folder means nothing (runtime-spec, config.md, "Mounts").
		if isBind(m) && m.Source != "" && !filepath.IsAbs(m.Source) {
			spec.Mounts[i].Source = filepath.Join(abs, m.Source)
		}
	}
	if info, err := os.Stat(b.Rootfs); err != nil {
		return nil, fmt.Errorf("%s: root.path: invalid rootfs: %w", path, err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s: root.path: invalid rootfs: %s is not a directory", path, b.Rootfs)
	}
	return b, nil
}

// ParseSpec decodes a config.json and checks what this runtime relies on.
func ParseSpec(data []byte) (*specs.Spec, error) {
	spec := new(specs.Spec)
	if err := decode(data, spec); err != nil {
		return nil, err
	}
	if err := checkSpec(spec); err != nil {
		return nil, err
	}
	return spec, nil
}

// ParseProcess decodes the process document of an exec.
func ParseProcess(data []byte) (*specs.Process, error) {
	process := new(specs.Process)
	if err := decode(data, process); err != nil {
		return nil, err
	}
	return process, CheckProcess(process)
}

// decode tells where in the document the mistake is.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("invalid JSON at line %d: %w", line(data, syntax.Offset), err)
	case errors.As(err, &kind):
		return fmt.Errorf("invalid value at line %d: %s must be %s, not %s", line(data, kind.Offset), kind.Field, kind.Type, kind.Value)
	}
	return err
}

func line(data []byte, offset int64) int {
	offset = min(offset, int64(len(data)))
	return 1 + strings.Count(string(data[:offset]), "\n")
}

func checkSpec(spec *specs.Spec) error {
	switch {
	case spec.Root == nil || spec.Root.Path == "":
		return errors.New("root.path is missing or empty")
	case spec.Linux == nil:
		return errors.New("linux is missing: this runtime runs Linux containers only")
	case spec.Process == nil:
		return errors.New("process is missing")
	case spec.Windows != nil || spec.Solaris != nil:
		return errors.New("windows and solaris containers are not supported")
	}
	for i, m := range spec.Mounts {
		if m.Destination == "" {
			return fmt.Errorf("mounts[%d]: destination is empty", i)
		}
		if strings.ContainsRune(m.Destination, 0) || strings.ContainsRune(m.Source, 0) {
			return fmt.Errorf("mounts[%d]: a path holds a NUL byte", i)
		}
	}
	seen := map[specs.LinuxNamespaceType]bool{}
	for _, ns := range spec.Linux.Namespaces {
		if seen[ns.Type] {
			return fmt.Errorf("linux.namespaces: %s is there twice", ns.Type)
		}
		seen[ns.Type] = true
	}
	if err := refuse(spec); err != nil {
		return err
	}
	return CheckProcess(spec.Process)
}

// CheckProcess names what no process document may have, with the words of runc.
func CheckProcess(p *specs.Process) error {
	switch {
	case len(p.Args) == 0 || p.Args[0] == "":
		return errors.New("process.args must not be empty")
	case p.Cwd == "":
		return errors.New("process.cwd property must not be empty")
	case !filepath.IsAbs(p.Cwd):
		return fmt.Errorf("process.cwd must be an absolute path, not %q", p.Cwd)
	}
	for _, s := range append(append([]string{}, p.Args...), p.Env...) {
		if strings.ContainsRune(s, 0) {
			return errors.New("process: an argument or a variable holds a NUL byte")
		}
	}
	return nil
}

// NetworkNamespace answers how the spec wants the network: a namespace's path
// ("" means a new one), or host = true if the container shall stay in the host's.
func NetworkNamespace(spec *specs.Spec) (path string, host bool) {
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type == specs.NetworkNamespace {
			return ns.Path, false
		}
	}
	return "", true
}
