package oci

import (
	"fmt"
	"slices"
	"strings"

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
	if linux.MemoryPolicy != nil {
		return cannot("linux.memoryPolicy", "its nodes are the host's, and the guest has one of its own: use linux.resources.cpu.mems, which holds for the VM's memory")
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
		if KindOf(m) == InGuest && fromHost(m) {
			return cannot(fmt.Sprintf("mounts[%d] (%s): the type %q with the source %s", i, m.Destination, m.Type, m.Source),
				"the guest has no such path: mount it on the host and bind it, or assign it by \"kata-runtime direct-volume\"")
		}
	}
	for _, ns := range linux.Namespaces {
		if ns.Type == specs.UserNamespace && len(linux.UIDMappings) == 0 {
			return cannot("linux.namespaces: a user namespace without linux.uidMappings", "the guest makes one of its own and has to know the mappings")
		}
	}
	return nil
}

// sourceless are the file systems of a kernel that are made of nothing: what their
// mount has for a source is only a name, and may look like a path.
var sourceless = []string{
	"proc", "sysfs", "tmpfs", "ramfs", "devtmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "hugetlbfs",
	"bpf", "debugfs", "tracefs", "securityfs", "configfs", "fusectl", "pstore", "efivarfs", "binfmt_misc",
}

// fromHost tells whether a file system would be made of a device or folder of the
// host's. Two slashes are a server's name (cifs).
func fromHost(m specs.Mount) bool {
	return strings.HasPrefix(m.Source, "/") && !strings.HasPrefix(m.Source, "//") && !slices.Contains(sourceless, m.Type)
}

const noIDMap = "the guest's shared file system has no id-mapped mounts"

var errNotify = cannot("linux.seccomp with SCMP_ACT_NOTIFY or listenerPath", "the listener is on the host, and the system call in the guest")

func cannot(what, why string) error {
	return fmt.Errorf("%s is not supported in a VM: %s", what, why)
}
