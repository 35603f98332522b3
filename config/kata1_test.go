package config

import (
	"strings"
	"testing"
)

// kata1 has every key that Kata Containers 1.13 read for QEMU, with values as
// its users have them.
const kata1 = `
[hypervisor.qemu]
path = "/usr/bin/qemu-vanilla-system-x86_64"
kernel = "/usr/share/kata-containers/vmlinuz.container"
initrd = ""
image = "/usr/share/kata-containers/kata-containers.img"
machine_type = "pc"
kernel_params = " agent.log=debug"
firmware = ""
machine_accelerators=""
cpu_features="pmu=off"
default_vcpus = 1
default_maxvcpus = 0
default_bridges = 1
default_memory = 2048
memory_slots = 10
memory_offset = 0
enable_virtio_mem = false
disable_block_device_use = false
shared_fs = "virtio-9p"
virtio_fs_daemon = "/usr/bin/virtiofsd"
virtio_fs_cache_size = 1024
virtio_fs_extra_args = []
virtio_fs_cache = "always"
block_device_driver = "virtio-scsi"
block_device_cache_set = true
block_device_cache_direct = true
block_device_cache_noflush = true
enable_iothreads = false
enable_mem_prealloc = true
enable_hugepages = true
enable_vhost_user_store = false
vhost_user_store_path = "/var/run/kata-containers/vhost-user"
enable_iommu = true
enable_iommu_platform = true
file_mem_backend = ""
valid_file_mem_backends = [""]
pflashes = []
enable_swap = true
enable_debug = true
disable_nesting_checks = true
msize_9p = 8192
use_vsock = true
disable_image_nvdimm = true
hotplug_vfio_on_root_bus = true
pcie_root_port = 2
disable_vhost_net = true
entropy_source= "/dev/urandom"
guest_hook_path = "/usr/share/oci/hooks"
rx_rate_limiter_max_rate = 0
tx_rate_limiter_max_rate = 1000
enable_annotations = [".*"]
valid_hypervisor_paths = ["/usr/bin/qemu*"]
valid_virtio_fs_daemon_paths = ["/usr/bin/virtiofsd*"]
valid_vhost_user_store_paths = ["/var/run/kata-containers/vhost-user*"]
jailer_path = ""
ctlpath = ""
[factory]
enable_template = true
template_path = "/run/vc/vm/template"
vm_cache_number = 0
vm_cache_endpoint = "/var/run/kata-containers/cache.sock"
[proxy.kata]
path = "/usr/libexec/kata-containers/kata-proxy"
enable_debug = true
[shim.kata]
path = "/usr/libexec/kata-containers/kata-shim"
enable_debug = true
enable_tracing = true
[agent.kata]
enable_debug = true
enable_tracing = true
trace_mode = "dynamic"
trace_type = "isolated"
kernel_modules=["e1000e EEE=1"]
[netmon]
enable_netmon = true
path = "/usr/libexec/kata-containers/kata-netmon"
enable_debug = true
[runtime]
enable_debug = true
internetworking_model="bridged"
disable_guest_seccomp=true
enable_tracing = true
disable_new_netns = false
sandbox_cgroup_only=false
enable_pprof = true
experimental=["newstore"]
enable_agent_pidns = true
vfio_in_guest = true
`

func TestKata1FileLoads(t *testing.T) {
	c, o, err := Parse("c.toml", []byte(kata1))
	if err != nil {
		t.Fatal(err)
	}
	q := c.Hypervisor.QEMU
	if q.MachineType != "q35" || q.Initrd != "" || q.DefaultMemory != 2048 || q.Msize9p != 8192 || !q.EnableHugePages ||
		q.CPUFeatures != "pmu=off" || q.EnableAnnotations[0] != ".*" || q.BlockDeviceDriver != "virtio-scsi" {
		t.Errorf("got %+v", q)
	}
	if c.Runtime.Model != "tcfilter" || !c.Runtime.DisableGuestSeccomp || c.Shim.Kata.Path != "/usr/libexec/kata-containers/kata-shim" {
		t.Errorf("got %+v, %+v", c.Runtime, c.Shim)
	}
	// Every key that does nothing and says something gets exactly one warning.
	for _, key := range []string{
		"enable_swap", "enable_iommu", "enable_netmon", "kernel_modules", "experimental",
		"tx_rate_limiter_max_rate", "runtime.enable_tracing", "agent.kata.enable_tracing", "machine_type", "internetworking_model",
	} {
		n := 0
		for _, w := range o.Warnings {
			if strings.Contains(w, key+" ") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d warnings about %s in %q", n, key, o.Warnings)
		}
	}
	// One that has its harmless value gets none.
	for _, w := range o.Warnings {
		for _, key := range []string{"vm_cache_number", "rx_rate", "enable_vhost_user_store ", "jailer", "pflashes"} {
			if strings.Contains(w, key) {
				t.Errorf("warning %q", w)
			}
		}
	}
}
