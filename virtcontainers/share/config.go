// Package share keeps the host folder that a sandbox's guest sees: bind mounts
// of root file systems and volumes, exported by virtiofs or 9p.
package share

import (
	"fmt"
	"strings"
)

// Values of Config.SharedFS.
const (
	VirtioFS = "virtio-fs"
	Virtio9P = "virtio-9p"
	// Auto is VirtioFS where a daemon is found, else Virtio9P.
	Auto = "auto"
)

// Config is the shared folder's part of the table [hypervisor.qemu].
type Config struct {
	// SharedFS is "auto" (the default: "virtio-fs" where a daemon is found, else
	// "virtio-9p"), "virtio-fs" or "virtio-9p".
	SharedFS string `toml:"shared_fs"`
	// VirtioFSDaemon is the path of virtiofsd, QEMU's older one in C or the newer
	// one in Rust. Empty: looked for where distributions put it.
	VirtioFSDaemon string `toml:"virtio_fs_daemon"`
	// VirtioFSCacheSize is the size of virtiofs's DAX window in MiB, for a QEMU that
	// was patched to have one (upstream's, up to 10 at least, refuses to start
	// with it). 0: none.
	VirtioFSCacheSize uint32 `toml:"virtio_fs_cache_size"`
	// VirtioFSCache is what the guest may cache: "none", "auto" (for a second) or
	// "always" (the host must not change files then). Empty means "auto".
	VirtioFSCache string `toml:"virtio_fs_cache"`
	// VirtioFSExtraArgs are added to the daemon's command line.
	VirtioFSExtraArgs []string `toml:"virtio_fs_extra_args"`
	// Msize9p is the largest 9p message in bytes, 4096 to 16 MiB. 0 means 1 MiB.
	Msize9p uint32 `toml:"msize_9p"`
}

// Bounds of msize_9p. The default is what was measured as best for streams; a
// message must hold a folder entry and a header (Linux, P9_DEF_MIN_MSIZE 4096).
const (
	defaultMsize = 1 << 20
	minMsize     = 4096
	maxMsize     = 16 << 20
)

// Default is the configuration without any file.
func Default() Config {
	return Config{SharedFS: Auto, VirtioFSCache: "auto", Msize9p: defaultMsize}
}

// Validate tells what is wrong with the settings, naming the key.
func (c Config) Validate() error {
	switch c.SharedFS {
	case "", Auto, VirtioFS, Virtio9P:
	default:
		return fmt.Errorf("shared_fs = %q: must be %q, %q or %q", c.SharedFS, Auto, VirtioFS, Virtio9P)
	}
	switch c.VirtioFSCache {
	case "", "none", "auto", "always":
	default:
		return fmt.Errorf(`virtio_fs_cache = %q: must be "none", "auto" or "always"`, c.VirtioFSCache)
	}
	if c.VirtioFSDaemon != "" && !strings.HasPrefix(c.VirtioFSDaemon, "/") {
		return fmt.Errorf("virtio_fs_daemon = %q: must be an absolute path", c.VirtioFSDaemon)
	}
	if c.Msize9p != 0 && (c.Msize9p < minMsize || c.Msize9p > maxMsize) {
		return fmt.Errorf("msize_9p = %d: must be %d to %d", c.Msize9p, minMsize, maxMsize)
	}
	return nil
}
