package config

import "github.com/kata-go/kata-runtime/virtcontainers/network"

func factoryKeys() []Key {
	return in("factory", []Key{
		{Name: "enable_template", NoAnnotation: true},
		{Name: "auto_template", NoAnnotation: true},
		{Name: "template_path", Path: HostPath, NoAnnotation: true},
		{Name: "keep_translations", NoAnnotation: true},
		{Name: "translations_path", Path: HostPath, NoAnnotation: true},
		{Name: "vm_cache_number", Max: 1024, NoAnnotation: true},
		{Name: "vm_cache_endpoint", Path: HostPath, NoAnnotation: true},
	})
}

// helperKeys are the tables of the programs beside kata-runtime.
func helperKeys() []Key {
	keys := in("proxy.kata", []Key{
		{Name: "path", Path: HostPath, Sample: "@PROXY@", NoAnnotation: true},
		{Name: "enable_debug", NoAnnotation: true},
	})
	keys = append(keys, in("shim.kata", []Key{
		{Name: "path", Path: HostPath, Sample: "@SHIM@", NoAnnotation: true},
		{Name: "enable_debug", NoAnnotation: true},
	})...)
	return append(keys, in("agent.kata", []Key{
		{Name: "enable_debug", NoAnnotation: true},
	})...)
}

func runtimeKeys() []Key {
	return in("runtime", []Key{
		{Name: "enable_debug", NoAnnotation: true},
		{
			Name: "internetworking_model", Enum: []string{network.ModelTCFilter, network.ModelMacvtap, network.ModelNone},
			Old: map[string]string{"bridged": network.ModelTCFilter, "enlightened": network.ModelTCFilter, "": network.ModelTCFilter},
		},
		{Name: "disable_new_netns"},
		{Name: "disable_network_follow"},
		{Name: "disable_guest_seccomp"},
		{Name: "sandbox_cgroup_only"},
		{Name: "static_sandbox_resource_mgmt"},
	})
}

// oldKeys are keys of Kata 1.x that have no field: nothing here could use them.
func oldKeys() []Key {
	const noTracing = "there is no tracing"
	const noNetmon = "changes of the network are followed without; see disable_network_follow of [runtime]"
	const noLimit = "the rate of the guest's network is not limited; limit it on the host's interface"
	keys := in("hypervisor.qemu", []Key{
		{Name: "jailer_path", Default: "", Path: HostPath, NoAnnotation: true, Inert: "QEMU has no jailer"},
		{Name: "ctlpath", Default: "", Path: HostPath, NoAnnotation: true, Inert: "QEMU has no control program"},
		{Name: "pflashes", Default: []string{}, NoAnnotation: true, Inert: "firmware is one file"},
		{Name: "rx_rate_limiter_max_rate", Default: int64(0), Unit: "bit/s", Inert: noLimit},
		{Name: "tx_rate_limiter_max_rate", Default: int64(0), Unit: "bit/s", Inert: noLimit},
	})
	keys = append(keys, in("shim.kata", []Key{
		{Name: "enable_tracing", Default: false, NoAnnotation: true, Inert: noTracing},
	})...)
	keys = append(keys, in("agent.kata", []Key{
		{Name: "enable_tracing", Default: false, Inert: noTracing},
		{Name: "trace_mode", Default: "", Inert: noTracing},
		{Name: "trace_type", Default: "", Inert: noTracing},
		{Name: "kernel_modules", Default: []string{}, Inert: "the guest loads the modules that its image lists"},
		{Name: "debug_console_enabled", Default: false, Inert: "the guest has no shell on its console"},
		{Name: "dial_timeout", Default: int64(0), Unit: "s", Inert: "boot_timeout of [hypervisor.qemu] is the limit"},
	})...)
	keys = append(keys, in("netmon", []Key{
		{Name: "enable_netmon", Default: false, NoAnnotation: true, Inert: noNetmon},
		{Name: "path", Default: "", Path: HostPath, NoAnnotation: true, Inert: noNetmon},
		{Name: "enable_debug", Default: false, NoAnnotation: true, Inert: noNetmon},
	})...)
	keys = append(keys, in("runtime", []Key{
		{Name: "enable_tracing", Default: false, NoAnnotation: true, Inert: noTracing},
		{Name: "jaeger_endpoint", Default: "", NoAnnotation: true, Inert: noTracing},
		{Name: "jaeger_user", Default: "", NoAnnotation: true, Inert: noTracing},
		{Name: "jaeger_password", Default: "", NoAnnotation: true, Inert: noTracing},
		{Name: "enable_pprof", Default: false, NoAnnotation: true, Inert: "no process of the runtime stays that could be profiled"},
		{Name: "experimental", Default: []string{}, Inert: "there are no experimental features"},
		{Name: "enable_agent_pidns", Default: false, NoAnnotation: true, Inert: "a container never joins the agent's pid namespace"},
		{Name: "vfio_in_guest", Default: false, NoAnnotation: true, Inert: "VFIO devices are not supported yet"},
		{Name: "sandbox_bind_mounts", Default: []string{}, NoAnnotation: true, Inert: "only what a container mounts is shared with the guest"},
	})...)
	return append(keys, in("image", []Key{
		{Name: "service_offload", Default: false, NoAnnotation: true, Inert: "images are never pulled in the guest"},
		{Name: "provision", Default: "", NoAnnotation: true, Inert: "images are never pulled in the guest"},
	})...)
}
