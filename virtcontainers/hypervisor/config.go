package hypervisor

// Config is the machine's part of the table [hypervisor.qemu]. Key names are
// those of Kata Containers 1.x, so that its users' files load; what is new
// says so. A key that is accepted only for such files and does nothing carries
// the tag effect:"none" and says so too. Sizes are in MiB unless a key says
// otherwise; the zero value of each field is a valid setting.
type Config struct {
	// Path is QEMU's binary. Empty: the one for Arch, looked up in PATH
	// ("qemu-system-x86_64", "qemu-system-aarch64").
	Path string `toml:"path"`
	// Kernel is the guest's kernel: a compressed image (bzImage, arm64 Image)
	// or, on amd64, an uncompressed ELF vmlinux with a PVH note, which boots
	// faster. Required.
	Kernel string `toml:"kernel"`
	// Initrd is the guest's root as an initramfs. Exactly one of Initrd and
	// Image is set.
	Initrd string `toml:"initrd"`
	// Image is the guest's root as a raw disk image: one filesystem, or a
	// partition table whose first partition is the filesystem. The guest gets it
	// read-only as a virtio block device.
	Image string `toml:"image"`

	// MachineType is "q35" or "microvm" (amd64), "virt" (arm64). Empty: "q35" or
	// "virt", by Arch. microvm boots faster and cannot hot-plug.
	MachineType string `toml:"machine_type"`
	// Arch is the guest's architecture in Go's spelling, "amd64" or "arm64".
	// Empty: the host's. Another one than the host's runs under TCG only. New.
	Arch string `toml:"arch"`
	// Accelerator is "auto", "kvm" or "tcg". Empty means "auto": KVM where it can
	// be trusted to run a guest, else TCG (plain emulation: needs nothing of the
	// host, is several times slower). New.
	Accelerator string `toml:"accelerator"`
	// BootTimeout is how long the guest's agent may take to answer its first
	// call, in seconds. 0 means 60. Time for which the host had no CPU for the VM
	// does not count, up to ten times as much. New.
	BootTimeout uint32 `toml:"boot_timeout"`

	// KernelParams are added to the guest's kernel command line, blanks between
	// them. A later parameter overrides an earlier one of the same name, and
	// these come behind the machine's own.
	KernelParams string `toml:"kernel_params"`
	// Firmware is a firmware file in place of the machine's own. Empty: QEMU's
	// small qboot for microvm, and for q35 without KVM and with one bridge; its
	// default (SeaBIOS) for q35 otherwise; none for virt.
	Firmware string `toml:"firmware"`
	// MachineAccelerators is put behind the machine type on QEMU's command line:
	// properties of the machine, commas between them ("hpet=off,vmport=off").
	MachineAccelerators string `toml:"machine_accelerators"`
	// CPUFeatures is put behind the CPU model: features, commas between them
	// ("pmu=off,vmx=off").
	CPUFeatures string `toml:"cpu_features"`

	// DefaultVCPUs is the number of virtual CPUs of a sandbox whose containers
	// set no CPU limit. 0 means 1, negative means as many as the host has; more
	// than the host has is cut to that.
	DefaultVCPUs int32 `toml:"default_vcpus"`
	// DefaultMaxVCPUs is the ceiling for hot-plugged CPUs. 0 means as many as the
	// host has; more than the host or the machine type can is cut to that.
	DefaultMaxVCPUs uint32 `toml:"default_maxvcpus"`
	// DefaultMemory is the memory of a sandbox whose containers set no memory
	// limit. 0 means 256.
	DefaultMemory uint32 `toml:"default_memory"`
	// DefaultMaxMemory is the ceiling for hot-plugged memory. 0 means the host's
	// memory; more than that is cut to it. New.
	DefaultMaxMemory uint64 `toml:"default_maxmemory"`
	// MemorySlots is how many times memory can be hot-plugged. 0 means 10, at
	// most 256.
	MemorySlots uint32 `toml:"memory_slots"`
	// MemoryOffset is added to the ceiling of hot-plugged memory, for devices
	// that take memory addresses. 0 adds nothing.
	MemoryOffset uint64 `toml:"memory_offset"`
	// EnableVirtioMem makes memory hot-plug grow one virtio-mem device in place of
	// adding DIMMs: it can shrink again, when limits do and when containers go.
	// Needs a guest kernel with that driver; not for microvm and virt, and not for
	// clones of a template.
	EnableVirtioMem bool `toml:"enable_virtio_mem"`
	// DefaultBridges is the number of PCI bridges that take hot-plugged devices,
	// 32 each, the first one 31. 0 means 1, more than 5 means 5. On "virt" it is
	// the number of PCIe root ports, one device each; microvm has none.
	DefaultBridges uint32 `toml:"default_bridges"`

	// DisableBlockDeviceUse is accepted and has no effect: a container's root file
	// system is mounted on the host and shared, also where it is a block device.
	DisableBlockDeviceUse bool `toml:"disable_block_device_use" effect:"none"`
	// BlockDeviceDriver is "virtio-blk" or "virtio-scsi", for a container's block
	// devices. Empty means "virtio-blk". microvm has virtio-blk only.
	BlockDeviceDriver string `toml:"block_device_driver"`
	// BlockDeviceCacheSet makes the two keys below count. Without it QEMU's own
	// defaults do (host page cache in use, flushes honoured).
	BlockDeviceCacheSet bool `toml:"block_device_cache_set"`
	// BlockDeviceCacheDirect bypasses the host's page cache (O_DIRECT).
	BlockDeviceCacheDirect bool `toml:"block_device_cache_direct"`
	// BlockDeviceCacheNoflush ignores the guest's flushes: faster, and the data
	// are lost when the host crashes.
	BlockDeviceCacheNoflush bool `toml:"block_device_cache_noflush"`
	// EnableIOThreads serves block devices in a thread of their own.
	EnableIOThreads bool `toml:"enable_iothreads"`

	// EnableMemPrealloc takes all of the guest's memory from the host at start.
	EnableMemPrealloc bool `toml:"enable_mem_prealloc"`
	// EnableHugePages takes the guest's memory from the host's pool of huge pages
	// (/proc/sys/vm/nr_hugepages), which must hold enough of them.
	EnableHugePages bool `toml:"enable_hugepages"`
	// ReclaimGuestFreedMemory gives memory that the guest's kernel has had and no
	// longer uses back to the host, within a few seconds, by a virtio balloon that
	// reports free pages. Not memory that is taken in advance or from the pool of
	// huge pages, nor a template's and its clones'. A key of Kata Containers 3.
	ReclaimGuestFreedMemory bool `toml:"reclaim_guest_freed_memory"`
	// EnableKSM lets the host's kernel merge pages of the guest that equal those
	// of others (KSM, if the host runs it: /sys/kernel/mm/ksm/run). It finds only
	// memory that no other process maps: not with shared_fs = "virtio-fs". Guests
	// can tell by the time of a write whether another has a page. Not in Kata 1.x.
	EnableKSM bool `toml:"enable_ksm"`
	// FileMemBackend is a folder (usually on a tmpfs) that holds the guest's
	// memory as a shared file. Empty: anonymous memory, shared only when a device
	// needs it.
	FileMemBackend string `toml:"file_mem_backend"`
	// EnableSwap is accepted and has no effect: the guest's memory is never
	// locked, so the host may always swap it.
	EnableSwap bool `toml:"enable_swap" effect:"none"`

	// EnableDebug shows the guest kernel's messages from the start (no "quiet")
	// and lets the agent log at debug level.
	EnableDebug bool `toml:"enable_debug"`
	// DisableNestingChecks is accepted and has no effect: nothing is done
	// differently on a host that is a VM itself.
	DisableNestingChecks bool `toml:"disable_nesting_checks" effect:"none"`
	// UseVSock reaches the agent by vsock where the host has /dev/vhost-vsock;
	// elsewhere, and with false, by a serial port through kata-proxy.
	UseVSock bool `toml:"use_vsock"`
	// DisableVhostNet keeps network queues in QEMU. Without it they are served by
	// the host kernel where /dev/vhost-net exists.
	DisableVhostNet bool `toml:"disable_vhost_net"`
	// EntropySource is the host file that feeds the guest's random number
	// generator, "/dev/urandom" or "/dev/random" or another. Empty: QEMU's own
	// (getrandom(2)).
	EntropySource string `toml:"entropy_source"`
	// GuestHookPath is a folder of the guest's image with OCI hooks in
	// prestart/, poststart/ and poststop/. Empty: no such hooks.
	GuestHookPath string `toml:"guest_hook_path"`

	// HotplugVFIOOnRootBus plugs VFIO devices into PCIeRootPort's ports. VFIO
	// devices are not supported yet.
	HotplugVFIOOnRootBus bool `toml:"hotplug_vfio_on_root_bus" effect:"none"`
	// PCIeRootPort is the number of PCIe root ports, for hot-plugged PCIe
	// devices; at most 16. 0 for none. Only q35 and virt have them.
	PCIeRootPort uint32 `toml:"pcie_root_port"`
	// EnableIOMMU is accepted and has no effect: there is no virtual IOMMU yet.
	EnableIOMMU bool `toml:"enable_iommu" effect:"none"`
	// EnableIOMMUPlatform is accepted and has no effect, as EnableIOMMU.
	EnableIOMMUPlatform bool `toml:"enable_iommu_platform" effect:"none"`
	// DisableImageNVDIMM is accepted and has no effect: Image is a virtio block
	// device always.
	DisableImageNVDIMM bool `toml:"disable_image_nvdimm" effect:"none"`
	// EnableVhostUserStore is accepted and has no effect: vhost-user block
	// devices are not supported yet.
	EnableVhostUserStore bool `toml:"enable_vhost_user_store" effect:"none"`
	// VhostUserStorePath is accepted and has no effect, as EnableVhostUserStore.
	VhostUserStorePath string `toml:"vhost_user_store_path" effect:"none"`

	// EnableAnnotations are the names (regular expressions) of the keys of this
	// table that a pod's annotations may set. Empty: none.
	EnableAnnotations []string `toml:"enable_annotations"`
	// ValidHypervisorPaths are the values (glob patterns) that an annotation may
	// give to Path. Empty: none but Path itself. The lists below are alike.
	ValidHypervisorPaths []string `toml:"valid_hypervisor_paths"`
	// ValidFileMemBackends are for FileMemBackend.
	ValidFileMemBackends []string `toml:"valid_file_mem_backends"`
	// ValidEntropySources are for EntropySource.
	ValidEntropySources []string `toml:"valid_entropy_sources"`
	// ValidVhostUserStorePaths is accepted and has no effect, as EnableVhostUserStore.
	ValidVhostUserStorePaths []string `toml:"valid_vhost_user_store_paths" effect:"none"`
}

// Default is the configuration of a host without a configuration file, but
// for Kernel and one of Initrd and Image, which an installation knows.
func Default() Config {
	return Config{
		Accelerator:         "auto",
		DefaultVCPUs:        1,
		DefaultMemory:       256,
		MemorySlots:         10,
		DefaultBridges:      1,
		BlockDeviceDriver:   "virtio-blk",
		UseVSock:            true,
		EntropySource:       "/dev/urandom",
		ValidEntropySources: []string{"/dev/urandom", "/dev/random"},

		ReclaimGuestFreedMemory: true,
	}
}
