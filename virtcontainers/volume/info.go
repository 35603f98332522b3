// Package volume knows the direct-assigned volumes: block devices that a storage
// driver has left for a VM to mount, and never mounts on the host. What is known
// of them lies in files, in the form of Kata Containers 2 and later.
package volume

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrInvalid is wrapped when an assignment cannot be meant.
var ErrInvalid = errors.New("invalid direct volume")

// Info is what a storage driver says about a volume (mountInfo.json).
type Info struct {
	// Type is "block", or empty for the same, or "directvol" (Kata 3's name of it).
	Type string `json:"volume-type,omitempty"`
	// Device is the block device's path on the host.
	Device string `json:"device"`
	// FSType is the file system on it; the guest's kernel must know it.
	FSType string `json:"fstype"`
	// Metadata may have "fsGroup", the group that shall own the volume's root, and
	// "fsGroupChangePolicy", which changes nothing: only the root is given away.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Options are mount(8)'s; with "ro" the device is read-only for the VM.
	Options []string `json:"options,omitempty"`
}

var (
	fsType = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`) })
	option = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[!-+\--~]+$`) }) // printable ASCII but for the comma
)

// maxOption bounds an option in bytes. Not in the expression: one that counts
// so far costs each start of a program that has it a quarter of a megabyte.
const maxOption = 255

// Parse reads a mountInfo document and checks it.
func Parse(data []byte) (*Info, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	i := new(Info)
	if err := d.Decode(i); err != nil {
		return nil, fmt.Errorf("%w: mount info: %w", ErrInvalid, err)
	}
	return i, i.check()
}

func (i *Info) check() error {
	bad := func(key, value string) error { return fmt.Errorf("%w: %s %q", ErrInvalid, key, value) }
	if !slices.Contains([]string{"", "block", "directvol"}, i.Type) {
		return fmt.Errorf("%w: only block devices can be assigned", bad("volume-type", i.Type))
	}
	if !filepath.IsAbs(i.Device) || filepath.Clean(i.Device) != i.Device || strings.ContainsRune(i.Device, 0) {
		return fmt.Errorf("%w is no absolute path", bad("device", i.Device))
	}
	if !fsType().MatchString(i.FSType) {
		return bad("fstype", i.FSType)
	}
	for _, o := range i.Options {
		for word := range strings.SplitSeq(o, ",") {
			if len(word) > maxOption || !option().MatchString(word) || slices.Contains([]string{"bind", "rbind", "remount", "move"}, word) {
				return bad("options", o)
			}
		}
	}
	for key := range i.Metadata {
		if key != "fsGroup" && key != "fsGroupChangePolicy" {
			return fmt.Errorf("%w: only fsGroup and fsGroupChangePolicy are known", bad("metadata", key))
		}
	}
	_, err := i.Group()
	return err
}

// Group answers the group that shall own the volume's root; 0 for none.
func (i *Info) Group() (uint32, error) {
	text, ok := i.Metadata["fsGroup"]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: fsGroup %q is no group", ErrInvalid, text)
	}
	return uint32(n), nil
}

// ReadOnly tells whether the VM must not write to the device.
func (i *Info) ReadOnly() bool {
	return slices.ContainsFunc(i.Options, func(o string) bool {
		return slices.Contains(strings.Split(o, ","), "ro")
	})
}

// CheckDevice tells whether the device is a block device now.
func (i *Info) CheckDevice() error {
	var st unix.Stat_t
	if err := unix.Stat(i.Device, &st); err != nil {
		return fmt.Errorf("%w: device %s: %w", ErrInvalid, i.Device, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return fmt.Errorf("%w: %s is no block device", ErrInvalid, i.Device)
	}
	return nil
}
