package share

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// dialect is the form of virtiofsd's command line.
type dialect int

const (
	// dialectC is QEMU's own daemon (up to QEMU 7.2; docs/tools/virtiofsd.rst there).
	dialectC dialect = iota
	// dialectRust is the one of the virtio-fs project (its README.md).
	dialectRust
)

// dialectOf finds out by an option's name in the program, because paths do not
// tell (/usr/libexec/virtiofsd has been both) and asking it costs a process.
func dialectOf(path string) (dialect, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	// The Rust daemon knows the C one's options too, for old command lines.
	rust, c := []byte("announce-submounts"), []byte("announce_submounts")
	const keep = 32 // more than a mark, which two reads may share
	buf := make([]byte, 256<<10)
	have, isC := 0, false
	for {
		n, err := f.Read(buf[have:])
		end := have + n
		if bytes.Contains(buf[:end], rust) {
			return dialectRust, nil
		}
		isC = isC || bytes.Contains(buf[:end], c)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		have = min(keep, end)
		copy(buf, buf[end-have:end])
	}
	if !isC {
		return 0, fmt.Errorf("%s is no virtiofsd that is known (neither QEMU's own nor the virtio-fs project's)", path)
	}
	return dialectC, nil
}

// args answers the command line; the listening socket is fd 3. openFiles 0
// leaves the limit alone.
//
// Both confine themselves: own mount, pid and network namespaces, pivot_root
// into the folder, few capabilities, a seccomp filter. Submounts are announced,
// since files of different host file systems may have the same inode number.
// File handles instead of open files (Rust) need CAP_DAC_READ_SEARCH, by which
// a daemon that was taken over could open any file of the host: left off. ACLs
// are refused, as the Rust daemon does it by itself: Linux looks at none on
// submounts (fuse_fill_super_submount in fs/fuse/inode.c does not set
// SB_POSIXACL), and the C daemon would keep what then holds nobody back.
func (d dialect) args(c Config, dir string, openFiles uint64) []string {
	cache := c.VirtioFSCache
	if cache == "" {
		cache = "auto"
	}
	var args []string
	switch d {
	case dialectC:
		escaped := strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(dir)
		args = []string{
			"-f", "--fd=3", "-o", "source=" + escaped, "-o", "cache=" + cache, "-o", "sandbox=namespace",
			"-o", "xattr", "-o", "no_posix_acl", "-o", "announce_submounts", "-o", "log_level=warn",
		}
	case dialectRust:
		if cache == "none" {
			cache = "never"
		}
		args = []string{
			"--fd=3", "--shared-dir=" + dir, "--cache=" + cache, "--sandbox=namespace",
			"--xattr", "--announce-submounts", "--log-level=warn",
		}
	}
	if openFiles > 0 {
		args = append(args, "--rlimit-nofile="+strconv.FormatUint(openFiles, 10))
	}
	return append(args, c.VirtioFSExtraArgs...)
}
