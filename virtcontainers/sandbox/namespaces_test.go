package sandbox

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestCheckNamespaces(t *testing.T) {
	for _, test := range []struct {
		kind specs.LinuxNamespaceType
		path string
		want string // "" for no error
	}{
		{specs.PIDNamespace, "", ""},
		{specs.PIDNamespace, "/proc/self/ns/pid", ""},
		{specs.PIDNamespace, "/proc/self/ns/pid_for_children", ""},
		{specs.MountNamespace, "/proc/self/ns/mnt", ""},
		{specs.NetworkNamespace, "/proc/self/ns/net", ""},
		{specs.IPCNamespace, "/proc/self/ns/ipc", ""},
		{specs.UTSNamespace, "/proc/self/ns/uts", ""},
		{specs.UserNamespace, "/proc/self/ns/user", ""},
		{specs.CgroupNamespace, "/proc/self/ns/cgroup", ""},
		{specs.IPCNamespace, "/proc/self/ns/uts", "not a namespace of the kind ipc"},
		{specs.UTSNamespace, "/proc/self/status", "not a namespace of the kind uts"},
		{specs.UserNamespace, "/nonexistent", "no such file"},
		{"nonsense", "", "not a kind"},
	} {
		err := checkNamespaces(&specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: test.kind, Path: test.path}}}})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s %q: %v", test.kind, test.path, err)
		}
	}
}

func TestCheckNames(t *testing.T) {
	own := []specs.LinuxNamespace{{Type: specs.UTSNamespace}}
	for _, test := range []struct {
		spec specs.Spec
		want string // "" for no error
	}{
		{specs.Spec{Linux: &specs.Linux{}}, ""},
		{specs.Spec{Hostname: "box", Domainname: "example.org", Linux: &specs.Linux{Namespaces: own}}, ""},
		{specs.Spec{Hostname: "box", Linux: &specs.Linux{}}, "unable to set hostname"},
		{specs.Spec{Domainname: "example.org", Linux: &specs.Linux{}}, "unable to set domainname"},
	} {
		if err := checkNames(&test.spec); test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v", test.spec, err)
		}
	}
}
