package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// cloneFlags are the kinds of namespaces as ioctl_ns(2) names them.
var cloneFlags = map[specs.LinuxNamespaceType]int{
	specs.PIDNamespace: unix.CLONE_NEWPID, specs.NetworkNamespace: unix.CLONE_NEWNET, specs.MountNamespace: unix.CLONE_NEWNS,
	specs.IPCNamespace: unix.CLONE_NEWIPC, specs.UTSNamespace: unix.CLONE_NEWUTS, specs.UserNamespace: unix.CLONE_NEWUSER,
	specs.CgroupNamespace: unix.CLONE_NEWCGROUP, specs.TimeNamespace: unix.CLONE_NEWTIME,
}

// checkNamespaces refuses a path that is not a namespace of the kind that it is
// given for, as the runtime-spec asks (config-linux.md, "Namespaces"). Most are
// of no further use: a VM cannot be in them.
func checkNamespaces(spec *specs.Spec) error {
	for _, ns := range spec.Linux.Namespaces {
		want, known := cloneFlags[ns.Type]
		if !known {
			return fmt.Errorf("linux.namespaces: %q is not a kind of namespace", ns.Type)
		}
		if ns.Path == "" {
			continue
		}
		f, err := os.Open(ns.Path)
		if errors.Is(err, fs.ErrPermission) {
			continue // as /proc/1/ns for a root with fewer capabilities: nobody joins it
		}
		if err != nil {
			return fmt.Errorf("linux.namespaces: %s: %w", ns.Type, err)
		}
		kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
		f.Close()
		if err != nil || kind != want {
			return fmt.Errorf("linux.namespaces: %s is not a namespace of the kind %s", ns.Path, ns.Type)
		}
	}
	return nil
}

// checkNames refuses names that would be those of the host's uts namespace, as
// runc does. Not for pods, nor who joins a sandbox: engines may leave the pod's
// name in their documents.
func checkNames(spec *specs.Spec) error {
	if slices.ContainsFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.UTSNamespace }) {
		return nil
	}
	for _, field := range [][2]string{{"hostname", spec.Hostname}, {"domainname", spec.Domainname}} {
		if field[1] != "" {
			return fmt.Errorf("unable to set %s without a private UTS namespace: leave %q out of config.json, or add uts to linux.namespaces", field[0], field[1])
		}
	}
	return nil
}
