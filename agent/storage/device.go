package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/uevent"
)

// findDisk answers the device node of a disk, and waits for one that is still
// to appear, until ctx ends. Sources: "serial=NAME", a PCI path "03" or
// "02/00" (slots from the root bus), or "/dev/NAME".
func findDisk(ctx context.Context, source string) (string, error) {
	look, err := diskLook(source)
	if err != nil {
		return "", err
	}
	found := ""
	err = uevent.Until(ctx, "block", func() (bool, error) {
		name, err := look()
		if err != nil || name == "" {
			return false, err
		}
		found = "/dev/" + name
		_, err = os.Stat(found)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return "", fmt.Errorf("block device %q: %w", source, err)
	}
	return found, nil
}

func diskLook(source string) (func() (string, error), error) {
	switch serial, isSerial := strings.CutPrefix(source, "serial="); {
	case isSerial && serial != "" && len(serial) <= 20:
		return func() (string, error) { return diskBySerial(serial) }, nil
	case strings.HasPrefix(source, "/dev/") && filepath.Clean(source) == source:
		name := strings.TrimPrefix(source, "/dev/")
		return func() (string, error) {
			if _, err := os.Stat("/sys/class/block/" + filepath.Base(name)); err != nil {
				return "", nil
			}
			return name, nil
		}, nil
	case isPCIPath(source):
		return func() (string, error) { return diskByPCI(source) }, nil
	}
	return nil, fmt.Errorf("%w: block device %q is none of serial=NAME, a PCI path, /dev/NAME", ErrInvalid, source)
}

func diskBySerial(serial string) (string, error) {
	files, err := filepath.Glob("/sys/block/*/serial")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && string(bytes.TrimSpace(data)) == serial {
			return filepath.Base(filepath.Dir(file)), nil
		}
	}
	return "", nil
}

// diskByPCI matches the slots of a path against where the kernel's device lies:
// /sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0/virtio3/block/vda.
func diskByPCI(path string) (string, error) {
	links, err := filepath.Glob("/sys/block/*")
	if err != nil {
		return "", err
	}
	for _, link := range links {
		target, err := filepath.EvalSymlinks(link)
		if err == nil && slots(target) == normal(path) {
			return filepath.Base(link), nil
		}
	}
	return "", nil
}

// slots answers the "slot.function/..." part of a device's path in sysfs.
func slots(sysfs string) string {
	var out []string
	for _, part := range strings.Split(sysfs, "/") {
		if slot, ok := pciSlot(part); ok {
			out = append(out, slot)
		}
	}
	return strings.Join(out, "/")
}

// normal writes a PCI path in lower case with every function.
func normal(path string) string {
	parts := strings.Split(strings.ToLower(path), "/")
	for i, p := range parts {
		if !strings.Contains(p, ".") {
			parts[i] = p + ".0"
		}
	}
	return strings.Join(parts, "/")
}

// ResolveDevices puts the guest's device numbers into a document that has the
// host's, in linux.devices and in the rules of linux.resources.devices.
func (t *Table) ResolveDevices(ctx context.Context, devices []*agentpb.Device, spec *specs.Spec) error {
	guest := map[string]number{}
	for _, d := range devices {
		if d.Driver != "blk" {
			return fmt.Errorf("device driver %q for %s: %w", d.Driver, d.ContainerPath, errors.ErrUnsupported)
		}
		node, err := findDisk(ctx, d.Source)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Stat(node, &st); err != nil {
			return fmt.Errorf("device %s: %w", node, err)
		}
		guest[d.ContainerPath] = number{int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev)))}
	}
	return renumber(spec, guest)
}

type number struct{ major, minor int64 }

// renumber changes each rule at most once, by the number that the host gave:
// one device's new number may be another's old one.
func renumber(spec *specs.Spec, guest map[string]number) error {
	if len(guest) == 0 {
		return nil
	}
	if spec.Linux == nil {
		return fmt.Errorf("%w: the document has no linux.devices", ErrInvalid)
	}
	changed := map[number]number{}
	found := 0
	for i := range spec.Linux.Devices {
		d := &spec.Linux.Devices[i]
		if n, ok := guest[d.Path]; ok {
			changed[number{d.Major, d.Minor}] = n
			d.Major, d.Minor = n.major, n.minor
			found++
		}
	}
	if found != len(guest) {
		return fmt.Errorf("%w: linux.devices has %d of the %d devices named", ErrInvalid, found, len(guest))
	}
	if spec.Linux.Resources == nil {
		return nil
	}
	for i := range spec.Linux.Resources.Devices {
		rule := &spec.Linux.Resources.Devices[i]
		if rule.Major == nil || rule.Minor == nil {
			continue
		}
		if n, ok := changed[number{*rule.Major, *rule.Minor}]; ok {
			rule.Major, rule.Minor = &n.major, &n.minor
		}
	}
	return nil
}
