package oci

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestSharesPID(t *testing.T) {
	for name, c := range map[string]struct {
		namespaces []specs.LinuxNamespace
		want       bool
	}{
		"of its own":     {[]specs.LinuxNamespace{{Type: specs.PIDNamespace}}, false},
		"another's":      {[]specs.LinuxNamespace{{Type: specs.PIDNamespace, Path: "/proc/7/ns/pid"}}, true},
		"none: hostPID":  {[]specs.LinuxNamespace{{Type: specs.IPCNamespace}}, true},
		"ipc's, not pid": {[]specs.LinuxNamespace{{Type: specs.IPCNamespace, Path: "/x"}, {Type: specs.PIDNamespace}}, false},
	} {
		spec := &specs.Spec{Linux: &specs.Linux{Namespaces: c.namespaces}}
		if got := SharesPID(spec); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
