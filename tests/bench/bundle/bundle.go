// Package bundle makes the OCI bundles that are run: busybox and the runtime's
// own sample config.json.
package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// busyboxes are where a static busybox may be.
var busyboxes = []string{"/bin/busybox", "/usr/bin/busybox"}

// applets that the measured containers call.
var applets = []string{"sh", "true", "sleep", "cat", "uname"}

// Maker makes bundles that share one root file system.
type Maker struct {
	dir, rootfs string
	spec        []byte
}

// New makes the root file system below dir and takes the sample configuration
// from runtime, an OCI runtime's binary.
func New(ctx context.Context, dir, runtime string) (*Maker, error) {
	m := &Maker{dir: dir, rootfs: filepath.Join(dir, "rootfs")}
	if err := m.fill(); err != nil {
		return nil, fmt.Errorf("root file system: %w", err)
	}
	cmd := exec.CommandContext(ctx, runtime, "spec", "--bundle", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s spec: %w: %s", runtime, err, strings.TrimSpace(string(out)))
	}
	var err error
	m.spec, err = os.ReadFile(filepath.Join(dir, "config.json"))
	return m, err
}

func (m *Maker) fill() error {
	for _, name := range []string{"bin", "dev", "etc", "proc", "sys", "tmp"} {
		if err := os.MkdirAll(filepath.Join(m.rootfs, name), 0o755); err != nil {
			return err
		}
	}
	var errs []error
	for _, path := range busyboxes {
		data, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, name := range applets {
			if err := os.Symlink("busybox", filepath.Join(m.rootfs, "bin", name)); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(m.rootfs, "bin/busybox"), data, 0o755)
	}
	return fmt.Errorf("no busybox (Debian: apt-get install busybox-static): %w", errors.Join(errs...))
}

// Rootfs is the folder that all bundles have as root file system.
func (m *Maker) Rootfs() string { return m.rootfs }

// Make makes a bundle whose process runs args, and answers its folder.
func (m *Maker) Make(name string, args ...string) (string, error) {
	return m.MakeWith(name, func(*specs.Spec) {}, args...)
}

// MakeWith is Make with a specification that change has changed.
func (m *Maker) MakeWith(name string, change func(*specs.Spec), args ...string) (string, error) {
	var spec specs.Spec
	if err := json.Unmarshal(m.spec, &spec); err != nil {
		return "", fmt.Errorf("bundle %s: %w", name, err)
	}
	if spec.Process == nil {
		return "", fmt.Errorf("bundle %s: the sample configuration has no process", name)
	}
	// An old version that every peer knows; nothing newer is in the sample.
	spec.Version = "1.0.2"
	spec.Process.Terminal = false
	spec.Process.Args = args
	spec.Root = &specs.Root{Path: m.rootfs}
	change(&spec)
	data, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(m.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600)
}
