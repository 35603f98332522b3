// Package hypervisor starts, watches, changes and ends virtual machines.
package hypervisor

import (
	"os"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// Spec is all that one VM is made of; Launch turns it into a command line. It
// is plain data: files in it are open and stay the caller's to close.
type Spec struct {
	// Name is the sandbox's id; it becomes QEMU's -name.
	Name string
	// Dir is the sandbox's own folder (0700). The VM's sockets and logs lie in it.
	Dir string

	// VCPUs is the number at boot, MaxVCPUs the ceiling of hot-plug (at least VCPUs).
	VCPUs, MaxVCPUs uint32
	// MemoryMiB is the size at boot, MaxMemoryMiB the ceiling of hot-plug (at least MemoryMiB).
	MemoryMiB, MaxMemoryMiB uint64

	// Kernel, and one of Initrd or Image, are host paths.
	Kernel, Initrd, Image string
	// KernelParams are added behind the machine's own and the configuration's.
	KernelParams []string

	// Agent is how the host reaches the agent.
	Agent AgentChannel
	// Console is a listening unix socket; whoever connects gets the guest's
	// console. nil: the guest has none.
	Console *os.File

	Shares []Share
	NICs   []NIC
	Disks  []Disk

	// Populate is closed when the launching process may take pages of the guest's
	// memory in advance, which count for its cgroup; nil: at once.
	Populate <-chan struct{}
	// Memory is a file that holds the guest's memory; nil for memory of its own.
	Memory *MemoryFile
	// Incoming: the VM does not boot but waits for Restore.
	Incoming bool

	// Translations is what a VM of the same TranslationsKey has recorded; nil
	// translates all. RecordTranslations is the file that QEMU writes what it has
	// translated to when it is told to quit; empty for none. Both under TCG only,
	// and with a QEMU that can (osbuilder/qemu).
	Translations       *os.File
	RecordTranslations string
}

// AgentChannel is one of two: a vsock address, or a listening unix socket
// behind a virtio-serial port.
type AgentChannel struct {
	// CID is the guest's vsock address, 3 or more; 0 for a serial port.
	CID uint32
	// VHost is the open /dev/vhost-vsock with CID set; with CID only.
	VHost *os.File
	// Serial is the listening socket; without CID only.
	Serial *os.File
}

// SerialPortName is what the guest sees in /sys/class/virtio-ports/*/name.
const SerialPortName = "kata.agent.0"

// Share is a folder that the guest mounts by its tag.
type Share struct {
	// Tag is the name that the guest mounts, at most 31 bytes (9p allows 31, virtiofs 36).
	Tag string
	// Path is the host folder that QEMU itself exports by 9p. Empty for virtiofs.
	Path string
	// Folder is an open one in place of Path; it need not be mounted anywhere.
	Folder *os.File
	// VirtioFS is a connected unix socket to virtiofsd. nil for 9p.
	VirtioFS *os.File
	// CacheMiB is the size of virtiofs's DAX window; 0 for none.
	CacheMiB uint64
}

// NIC is a network device that is plugged at boot.
type NIC struct {
	// ID is unique in the VM ("nic0").
	ID string
	// MAC as "aa:bb:cc:dd:ee:ff".
	MAC string
	// Taps are the open queues of a tap or macvtap device, at least one.
	Taps []*os.File
	// VHosts are open /dev/vhost-net, as many as Taps, or none.
	VHosts []*os.File
}

// Disk is a block device that is plugged at boot.
type Disk struct {
	// ID is unique in the VM; it becomes the device's serial, at most 20 bytes.
	ID string
	// Path is a host block device or an image file.
	Path string
	// ReadOnly is enforced by QEMU, not only by the guest.
	ReadOnly bool
}

// VM is a running machine as it is kept in the sandbox's state.
type VM struct {
	Process proc.Handle `json:"process"`
	// QMP is the path of the control socket.
	QMP string `json:"qmp"`
	// Machine, Accelerator and Arch are what was chosen ("q35", "tcg", "amd64").
	Machine     string `json:"machine"`
	Accelerator string `json:"accelerator"`
	Arch        string `json:"arch"`

	// SmallPages is why memory that is shared with a daemon does not lie in huge
	// pages; set by Launch only.
	SmallPages error `json:"-"`

	// child is set in the process that launched the VM.
	child *child
	// populated is closed when that process has taken what it takes of the VM's
	// memory in advance; nil if it takes none.
	populated <-chan struct{}
}
