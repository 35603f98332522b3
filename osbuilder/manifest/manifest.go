// Package manifest describes a built guest asset, in a JSON file beside it
// (ASSET.manifest.json), so that it can always be told what a VM runs.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kata-go/kata-runtime/osbuilder/debian"
)

// Suffix is put behind the name of an asset.
const Suffix = ".manifest.json"

// Manifest of one asset. A field that does not apply is absent.
type Manifest struct {
	// Name is the asset's kind: "kernel", "initrd", "image".
	Name string `json:"name"`
	// Flavour is "debian" (stock kernel) or "tuned" (our own).
	Flavour string `json:"flavour"`
	// Version of the project that built it.
	Version string `json:"version"`
	// SHA256 and Size (bytes) of the asset itself.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	// Inputs is a hash of all that went into it, the builder itself included.
	Inputs string `json:"inputs,omitempty"`
	// KernelRelease is what uname -r says in the guest; for an initrd, the
	// kernel that its modules are for.
	KernelRelease string `json:"kernel_release,omitempty"`
	// Packages that it was made from.
	Packages []debian.Package `json:"packages,omitempty"`
	// Modules in the order in which the agent loads them.
	Modules []string `json:"modules,omitempty"`
	// AgentSHA256 is the hash of the agent's binary.
	AgentSHA256 string `json:"agent_sha256,omitempty"`
	// ConfigSHA256 is the hash of the kernel's whole configuration.
	ConfigSHA256 string `json:"config_sha256,omitempty"`
	// PatchesSHA256 is the hash of what the kernel's source was patched with.
	PatchesSHA256 string `json:"patches_sha256,omitempty"`
	// Compiler that built the kernel.
	Compiler string `json:"compiler,omitempty"`
	// SourceDateEpoch is the time stamp of all files in it, in seconds since 1970.
	SourceDateEpoch int64 `json:"source_date_epoch"`
}

// Write puts an asset and its manifest into place, filling in hash and size.
// Files that have the content already keep their time stamps.
func Write(path string, data []byte, m Manifest) error {
	sum := sha256.Sum256(data)
	m.SHA256 = hex.EncodeToString(sum[:])
	m.Size = int64(len(data))
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := Replace(path, data); err != nil {
		return err
	}
	return Replace(path+Suffix, append(text, '\n'))
}

// Current tells whether the asset at path is whole and was made from these inputs.
func Current(path, inputs string) bool {
	m, err := Read(path)
	if err != nil || m.Inputs != inputs {
		return false
	}
	data, err := os.ReadFile(path)
	sum := sha256.Sum256(data)
	return err == nil && hex.EncodeToString(sum[:]) == m.SHA256
}

// Read answers the manifest of the asset at path.
func Read(path string) (Manifest, error) {
	var m Manifest
	data, err := os.ReadFile(path + Suffix)
	if err != nil {
		return m, fmt.Errorf("manifest of %s: %w", path, err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("manifest of %s: %w", path, err)
	}
	return m, nil
}

// Replace writes a file atomically, mode 0644, unless it has that content already.
func Replace(path string, data []byte) error {
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, werr := f.Write(data)
	err = errors.Join(werr, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
