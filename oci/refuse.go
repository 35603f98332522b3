package oci

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// refuse names the first thing in a spec that cannot be had in a VM, and whose
// absence the container would notice. What can be left out without harm is in
// docs/limitations.md and not here.
func refuse(spec *specs.Spec) error {
	linux := spec.Linux
	if linux.IntelRdt != nil {
		return cannot("linux.intelRdt", "classes of cache and memory bandwidth belong to the host's processor")
	}
	if len(linux.NetDevices) != 0 {
		return cannot("linux.netDevices", "a network device of the host cannot be moved into a VM: let the engine put an interface into the network namespace")
	}
	if r := linux.Resources; r != nil && len(r.Rdma) != 0 {
		return cannot("linux.resources.rdma", "the guest has no RDMA devices")
	}
	if s := linux.Seccomp; s != nil {
		if s.ListenerPath != "" || s.DefaultAction == specs.ActNotify {
			return errNotify
		}
		for _, call := range s.Syscalls {
			if call.Action == specs.ActNotify {
				return errNotify
			}
		}
	}
	for i, m := range spec.Mounts {
		if len(m.UIDMappings) != 0 || len(m.GIDMappings) != 0 {
			return cannot(fmt.Sprintf("mounts[%d].uidMappings (%s)", i, m.Destination), noIDMap)
		}
		for _, option := range m.Options {
			if option == "idmap" || option == "ridmap" {
				return cannot(fmt.Sprintf("mounts[%d]: the option %s (%s)", i, option, m.Destination), noIDMap)
			}
		}
	}
	for _, ns := range linux.Namespaces {
		if ns.Type == specs.UserNamespace && len(linux.UIDMappings) == 0 {
			return cannot("linux.namespaces: a user namespace without linux.uidMappings", "the guest makes one of its own and has to know the mappings")
		}
	}
	return nil
}

const noIDMap = "the guest's shared file system has no id-mapped mounts"

var errNotify = cannot("linux.seccomp with SCMP_ACT_NOTIFY or listenerPath", "the listener is on the host, and the system call in the guest")

func cannot(what, why string) error {
	return fmt.Errorf("%s is not supported in a VM: %s", what, why)
}
