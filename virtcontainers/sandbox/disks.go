package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// Disk is a block device of the host that a container was given.
type Disk struct {
	// ID is the device's serial in the VM, by which the guest finds it.
	ID string `json:"id"`
	// ContainerPath is the node's path in the container.
	ContainerPath string `json:"container_path"`
	// HostPath is its node on the host.
	HostPath string `json:"host_path"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// disksOf answers the block devices that a spec hands over.
func disksOf(spec *specs.Spec) ([]Disk, error) {
	var disks []Disk
	for _, d := range oci.Disks(spec) {
		path, err := blockNode(d.Major, d.Minor)
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", d.Path, err)
		}
		// A VM's serials are at most 20 bytes, and a pod's containers share them.
		random, err := newExecID()
		if err != nil {
			return nil, err
		}
		disks = append(disks, Disk{ID: "d" + random[:12], ContainerPath: d.Path, HostPath: path, ReadOnly: d.ReadOnly})
	}
	return disks, nil
}

// blockNode answers the host's node of a block device by what its kernel calls
// it: the spec knows the container's path only.
func blockNode(major, minor int64) (string, error) {
	f, err := os.Open(fmt.Sprintf("/sys/dev/block/%d:%d/uevent", major, minor))
	if err != nil {
		return "", fmt.Errorf("the host has no block device %d:%d", major, minor)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, ok := strings.CutPrefix(lines.Text(), "DEVNAME=")
		if !ok {
			continue
		}
		path := "/dev/" + name
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFBLK || st.Rdev != unix.Mkdev(uint32(major), uint32(minor)) {
			return "", fmt.Errorf("%s is not the block device %d:%d", path, major, minor)
		}
		return path, nil
	}
	return "", fmt.Errorf("the host's kernel has no name for the block device %d:%d", major, minor)
}

// deviceSize answers a block device's size in bytes.
func deviceSize(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", path, err)
	}
	return uint64(size), nil
}

func (d Disk) device() hypervisor.Disk {
	return hypervisor.Disk{ID: d.ID, Path: d.HostPath, ReadOnly: d.ReadOnly}
}

// guestDevices is how the agent gets to know the disks.
func guestDevices(disks []Disk) []*agentpb.Device {
	var devices []*agentpb.Device
	for _, d := range disks {
		devices = append(devices, &agentpb.Device{Driver: "blk", Source: "serial=" + d.ID, ContainerPath: d.ContainerPath})
	}
	return devices
}

// plugDisks gives a running VM the disks of a container that joins it. After
// an error unplugDisks takes back what was plugged.
func (h *Host) plugDisks(ctx context.Context, st *State, disks []Disk) error {
	if len(disks) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	monitor, err := st.VM.Monitor(ctx)
	if err != nil {
		return err
	}
	defer monitor.Close()
	for _, d := range disks {
		if err := monitor.HotplugDisk(ctx, h.settings.Hypervisor, d.device()); err != nil {
			return err
		}
	}
	return nil
}

// unplugDisks takes a container's disks out of a VM that lives on.
func (h *Host) unplugDisks(ctx context.Context, st *State, disks []Disk) error {
	if len(disks) == 0 || !st.VM.Process.Alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	monitor, err := st.VM.Monitor(ctx)
	if err != nil {
		return err
	}
	defer monitor.Close()
	var errs []error
	for _, d := range disks {
		errs = append(errs, monitor.UnplugDisk(ctx, d.ID))
	}
	return errors.Join(errs...)
}
