package config

import "github.com/kata-go/kata-runtime/virtcontainers/share"

// Largest sizes that make sense, to catch a number in the wrong unit: 16 TiB
// in MiB, and the 1024 CPUs of QEMU's largest machine type.
const (
	maxMiB  = 16 << 20
	maxCPUs = 1024
)

// qemuKeys is the table [hypervisor.qemu].
func qemuKeys() []Key {
	return in("hypervisor.qemu", []Key{
		{Name: "path", Path: HostPath, Sample: "@QEMU@", AllowList: "valid_hypervisor_paths"},
		{Name: "kernel", Path: HostPath, Sample: "@KERNEL@", AllowList: "valid_kernel_paths"},
		{Name: "initrd", Path: HostPath, Sample: "@INITRD@", AllowList: "valid_initrd_paths"},
		{Name: "image", Path: HostPath, Sample: "@IMAGE@", AllowList: "valid_image_paths"},
		{Name: "machine_type", Enum: []string{"", "q35", "microvm", "virt"}, Old: map[string]string{"pc": "q35"}},
		{Name: "arch", Enum: []string{"", "amd64", "arm64"}},
		{Name: "accelerator", Enum: []string{"", "auto", "kvm", "tcg"}},
		{Name: "boot_timeout", Unit: "s", Max: 3600},
		{Name: "kernel_params"},
		{Name: "firmware", Path: HostPath, AllowList: "valid_firmware_paths"},
		{Name: "machine_accelerators"},
		{Name: "cpu_features"},
		{Name: "default_vcpus", Min: -1, Max: maxCPUs},
		{Name: "default_maxvcpus", Max: maxCPUs, Annotation: "hypervisor.default_max_vcpus"},
		{Name: "default_memory", Unit: "MiB", Max: maxMiB},
		{Name: "default_maxmemory", Unit: "MiB", Max: maxMiB},
		{Name: "memory_slots", Max: 256},
		{Name: "memory_offset", Unit: "MiB", Max: maxMiB},
		{Name: "enable_virtio_mem"},
		{Name: "default_bridges", Max: 31},
		{Name: "disable_block_device_use", Inert: "a container's root file system is mounted on the host and shared, also where it is a block device"},
		{Name: "block_device_driver", Enum: []string{"", "virtio-blk", "virtio-scsi"}},
		{Name: "block_device_cache_set"},
		{Name: "block_device_cache_direct"},
		{Name: "block_device_cache_noflush"},
		{Name: "enable_iothreads"},
		{Name: "enable_mem_prealloc"},
		{Name: "enable_hugepages"},
		{Name: "reclaim_guest_freed_memory"},
		{Name: "enable_ksm", NoAnnotation: true},
		{Name: "file_mem_backend", Path: HostPath, AllowList: "valid_file_mem_backends"},
		{Name: "enable_swap", Inert: "the guest's memory is never locked, so the host may always swap it"},
		{Name: "enable_debug"},
		{Name: "disable_nesting_checks", Inert: "nothing is done differently on a host that is a VM itself"},
		{Name: "use_vsock"},
		{Name: "disable_vhost_net"},
		{Name: "entropy_source", Path: HostPath, AllowList: "valid_entropy_sources"},
		{Name: "guest_hook_path", Path: GuestPath},
		{Name: "hotplug_vfio_on_root_bus", Inert: "VFIO devices are not supported yet"},
		{Name: "pcie_root_port", Max: 16},
		{Name: "enable_iommu", Inert: "there is no virtual IOMMU yet"},
		{Name: "enable_iommu_platform", Inert: "there is no virtual IOMMU yet"},
		{Name: "disable_image_nvdimm", Inert: "the image is a virtio block device always"},
		{Name: "enable_vhost_user_store", Inert: "vhost-user block devices are not supported yet"},
		{Name: "vhost_user_store_path", Path: HostPath, Inert: "vhost-user block devices are not supported yet"},
		{Name: "shared_fs", Enum: []string{"", share.Auto, share.VirtioFS, share.Virtio9P}},
		{Name: "virtio_fs_daemon", Path: HostPath, Sample: "@VIRTIOFSD@", AllowList: "valid_virtio_fs_daemon_paths"},
		{Name: "virtio_fs_cache_size", Unit: "MiB", Max: maxMiB},
		{Name: "virtio_fs_cache", Enum: []string{"", "none", "auto", "always"}},
		{Name: "virtio_fs_extra_args"},
		{Name: "msize_9p", Unit: "bytes", Max: 16 << 20},
		{Name: "enable_annotations", NoAnnotation: true},
		{Name: "valid_hypervisor_paths", Path: HostGlobs, NoAnnotation: true},
		{Name: "valid_kernel_paths", Path: HostGlobs, NoAnnotation: true},
		{Name: "valid_initrd_paths", Path: HostGlobs, NoAnnotation: true},
		{Name: "valid_image_paths", Path: HostGlobs, NoAnnotation: true},
		{Name: "valid_firmware_paths", Path: HostGlobs, NoAnnotation: true},
		{Name: "valid_virtio_fs_daemon_paths", Path: HostGlobs, NoAnnotation: true},
		{Name: "valid_file_mem_backends", Path: HostGlobs, NoAnnotation: true},
		{Name: "valid_entropy_sources", Path: HostGlobs, NoAnnotation: true},
		{Name: "valid_vhost_user_store_paths", Path: HostGlobs, NoAnnotation: true, Inert: "vhost-user block devices are not supported yet"},
	})
}
