package container

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestOwnPIDs(t *testing.T) {
	for path, own := range map[string]bool{"": true, "/proc/9/ns/pid": false} {
		spec := plain()
		spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace, Path: path}}
		if ownPIDs(spec) != own {
			t.Errorf("pid namespace %q: own %v", path, !own)
		}
	}
	if ownPIDs(plain()) {
		t.Error("without a pid namespace it is the guest's")
	}
}
