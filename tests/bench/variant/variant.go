// Package variant writes configurations of kata-runtime that differ from a
// given one in a few keys.
package variant

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/kata-go/kata-runtime/config"
)

// Settings are keys with their tables ("hypervisor.qemu.kernel") and values.
type Settings map[string]any

// errNoBase is the answer if there is no configuration to vary.
var errNoBase = errors.New("no configuration is there: -config names one")

// Base answers the file that kata-runtime reads, if none is named.
func Base(named string) (string, error) {
	if named != "" {
		return filepath.Abs(named)
	}
	for _, path := range config.Paths() {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errNoBase
}

// Write copies the configuration at base, with the drop-ins beside it, to the
// folder dir, which it makes, puts the settings over it as one more drop-in,
// and answers the new file.
func Write(base, dir string, s Settings) (string, error) {
	path := filepath.Join(dir, "configuration.toml")
	drops := filepath.Join(dir, "config.d")
	if err := os.MkdirAll(drops, 0o700); err != nil {
		return "", err
	}
	if err := copyFile(base, path); err != nil {
		return "", err
	}
	folders := []string{filepath.Dir(base)}
	if installed := config.Paths(); slices.Contains(installed, base) && filepath.Dir(installed[0]) != folders[0] {
		folders = append(folders, filepath.Dir(installed[0]))
	}
	var others []string
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "config.d", "*.toml"))
		if err != nil {
			return "", err
		}
		others = append(others, files...)
	}
	for _, other := range others {
		if err := copyFile(other, filepath.Join(drops, filepath.Base(other))); err != nil {
			return "", err
		}
	}
	text, err := s.toml()
	if err != nil {
		return "", err
	}
	// Behind all others: they are read in the order of their names.
	return path, os.WriteFile(filepath.Join(drops, "~bench.toml"), text, 0o600)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// toml nests the keys in their tables.
func (s Settings) toml() ([]byte, error) {
	tree := map[string]any{}
	for key, value := range s {
		at := tree
		parts := strings.Split(key, ".")
		for _, table := range parts[:len(parts)-1] {
			next, there := at[table].(map[string]any)
			if !there {
				next = map[string]any{}
				at[table] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = value
	}
	var out bytes.Buffer
	if err := toml.NewEncoder(&out).Encode(tree); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return out.Bytes(), nil
}
