package hypervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// Input is a file that a VM is made from, as it was when somebody looked.
type Input struct {
	Path string `json:"path"`
	// Device and Inode say which file it was; Size (bytes), Modified and Changed
	// (nanoseconds since 1970) that it is the same still.
	Device   uint64 `json:"device"`
	Inode    uint64 `json:"inode"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`
	Changed  int64  `json:"changed"`
}

// Look answers the file at path as it is now.
func Look(path string) (Input, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Input{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return Input{
		Path: path, Device: st.Dev, Inode: st.Ino, Size: st.Size,
		Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(),
	}, nil
}

// Same tells whether the file is what it was.
func (i Input) Same() bool {
	now, err := Look(i.Path)
	return err == nil && now == i
}

// Fingerprint names all that a VM's saved state depends on.
type Fingerprint struct {
	// Key is a short hash in hexadecimal digits.
	Key string
	// Inputs are QEMU's binary and the guest's files.
	Inputs []Input
}

// fingerprintVersion goes into each key: raise it when saved state of an
// earlier release must not be used any more for a reason that the command line
// does not show.
const fingerprintVersion = "1"

// FingerprintOf answers the fingerprint of the VM that Launch would make of
// cfg and spec. Two specs with the same one differ only in what makes a clone
// its own: name, folder, MACs, the shares' paths, open files, and whether it
// boots or is restored. So the saved state of one fits the other. Open files in
// spec count by being there; they need not be the real ones.
func FingerprintOf(cfg *Config, spec *Spec) (*Fingerprint, error) {
	if err := cfg.sharesFile(); err != nil {
		return nil, err
	}
	return fingerprint(cfg, spec)
}

// KeyOf answers the fingerprint's key also where the configuration excludes
// saved VMs: two VMs that run and have the same one can stand for each other.
func KeyOf(cfg *Config, spec *Spec) (string, error) {
	f, err := fingerprint(cfg, spec)
	if err != nil {
		return "", err
	}
	return f.Key, nil
}

func fingerprint(cfg *Config, spec *Spec) (*Fingerprint, error) {
	plain := *spec
	plain.Name, plain.Memory, plain.Incoming = "", nil, false
	plain.Translations, plain.RecordTranslations = nil, ""
	plain.NICs = nil
	for _, n := range spec.NICs {
		n.MAC = "00:00:00:00:00:00"
		plain.NICs = append(plain.NICs, n)
	}
	plain.Shares = nil
	for _, s := range spec.Shares {
		s.Path, s.Folder = "", nil
		plain.Shares = append(plain.Shares, s)
	}
	c, err := newCmdline(cfg, &plain)
	if err != nil {
		return nil, err
	}
	c.build(nil)
	binary, err := exec.LookPath(cfg.binary())
	if err != nil {
		return nil, cfg.binaryError(err)
	}
	f := &Fingerprint{}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\x00%q\x00", fingerprintVersion, c.args)
	if f.Inputs, err = lookAll(sum, binary, spec.Kernel, spec.Initrd, spec.Image, cfg.Firmware); err != nil {
		return nil, err
	}
	f.Key = key(sum)
	return f, nil
}

// lookAll answers the files at those paths that are not empty, and adds them to a hash.
func lookAll(sum io.Writer, paths ...string) ([]Input, error) {
	var inputs []Input
	for _, path := range paths {
		if path == "" {
			continue
		}
		input, err := Look(path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(sum, "%+v\x00", input)
		inputs = append(inputs, input)
	}
	return inputs, nil
}

// key shortens a hash to what names a folder.
func key(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:8]) }
