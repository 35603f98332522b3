package main

import (
	"encoding/json"
	"slices"

	"github.com/opencontainers/runc/libcontainer/capabilities"
	"github.com/opencontainers/runc/libcontainer/seccomp"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"github.com/urfave/cli"

	"github.com/kata-go/kata-runtime/config"
)

var featuresCommand = cli.Command{
	Name:      "features",
	Usage:     "show what this runtime can do, as JSON",
	ArgsUsage: " ",
	Description: `Show the parts of the OCI runtime specification that this runtime honours, in
   the JSON form that the specification gives (features.md). They describe
   containers in a virtual machine: cgroups, seccomp, namespaces and
   capabilities are those of the guest.`,
	Action: func(ctx *cli.Context) error {
		if err := wantArgs(ctx, 0); err != nil {
			return err
		}
		e := json.NewEncoder(ctx.App.Writer)
		e.SetIndent("", "    ")
		return e.Encode(supported())
	},
}

// supported describes a container as it is in the guest, where libcontainer
// applies the spec; what depends on the host's kernel has no say in it.
func supported() features.Features {
	yes, no := true, false
	return features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		// In the order of their stages (runtime-spec, config.md, POSIX-platform Hooks).
		Hooks:        []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions: without(specconv.KnownMountOptions(), "idmap", "ridmap"),
		Linux: &features.Linux{
			Namespaces:   specconv.KnownNamespaces(),
			Capabilities: capabilities.KnownCapabilities(),
			Cgroup: &features.Cgroup{
				// The guest has cgroup v2 alone, and no systemd.
				V1: &no, V2: &yes, Systemd: &no, SystemdUser: &no, Rdma: &no,
			},
			Seccomp: &features.Seccomp{
				Enabled:   &yes,
				Actions:   without(seccomp.KnownActions(), string(specs.ActNotify)),
				Operators: seccomp.KnownOperators(),
				Archs:     seccomp.KnownArchs(),
			},
			// The guest's kernel has neither module; the VM is the wall.
			Apparmor: &features.Apparmor{Enabled: &no},
			Selinux:  &features.Selinux{Enabled: &no},
			// Cache and bandwidth classes belong to the host's processor.
			IntelRdt:        &features.IntelRdt{Enabled: &no, Schemata: &no, Monitoring: &no},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &no}},
			NetDevices:      &features.NetDevices{Enabled: &no},
			MemoryPolicy:    &features.MemoryPolicy{}, // no mode
		},
		Annotations: map[string]string{
			"org.kata-go.kata-runtime.version": version,
			"org.kata-go.kata-runtime.commit":  builtFrom(),
		},
		PotentiallyUnsafeConfigAnnotations: []string{config.AnnotationPrefix},
	}
}

// without leaves out what libcontainer knows and oci refuses.
func without(known []string, refused ...string) []string {
	return slices.DeleteFunc(known, func(name string) bool { return slices.Contains(refused, name) })
}
