package oci

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestPIDNamespace(t *testing.T) {
	for name, c := range map[string]struct {
		namespaces []specs.LinuxNamespace
		path       string
		shared     bool
	}{
		"of its own":     {[]specs.LinuxNamespace{{Type: specs.PIDNamespace}}, "", false},
		"another's":      {[]specs.LinuxNamespace{{Type: specs.PIDNamespace, Path: "/proc/7/ns/pid"}}, "/proc/7/ns/pid", true},
		"none: hostPID":  {[]specs.LinuxNamespace{{Type: specs.IPCNamespace}}, "", true},
		"ipc's, not pid": {[]specs.LinuxNamespace{{Type: specs.IPCNamespace, Path: "/x"}, {Type: specs.PIDNamespace}}, "", false},
	} {
		spec := &specs.Spec{Linux: &specs.Linux{Namespaces: c.namespaces}}
		if path, shared := PIDNamespace(spec); path != c.path || shared != c.shared {
			t.Errorf("%s: %q, %t, want %q, %t", name, path, shared, c.path, c.shared)
		}
	}
}

func TestRoleOf(t *testing.T) {
	const cri, crio = "io.kubernetes.cri.", "io.kubernetes.cri-o."
	for name, c := range map[string]struct {
		annotations map[string]string
		role        Role
		sandbox     string
		refused     string
	}{
		"none":                {map[string]string{"other": "container"}, Single, "", ""},
		"without any":         {nil, Single, "", ""},
		"a pod without an id": {map[string]string{cri + "container-type": "sandbox"}, Infra, "", ""},
		"containerd's pod":    {map[string]string{cri + "container-type": "sandbox", cri + "sandbox-id": "p"}, Infra, "", ""},
		"containerd's member": {map[string]string{cri + "container-type": "container", cri + "sandbox-id": "p"}, Member, "p", ""},
		"CRI-O's pod":         {map[string]string{crio + "ContainerType": "sandbox", crio + "SandboxID": "p"}, Infra, "", ""},
		"CRI-O's member":      {map[string]string{crio + "ContainerType": "container", crio + "SandboxID": "p"}, Member, "p", ""},
		"without an id":       {map[string]string{crio + "ContainerType": "container"}, Single, "", crio + "SandboxID is missing"},
		"another type":        {map[string]string{cri + "container-type": "podsandbox"}, Single, "", "neither"},
		"an id without a type": {map[string]string{
			crio + "ContainerType": "container", crio + "SandboxID": "p", cri + "sandbox-id": "victim"}, Member, "p", ""},
		"two that agree": {map[string]string{
			crio + "ContainerType": "container", crio + "SandboxID": "p", cri + "container-type": "container", cri + "sandbox-id": "p"}, Member, "p", ""},
		"two sandboxes": {map[string]string{
			crio + "ContainerType": "container", crio + "SandboxID": "p", cri + "container-type": "container", cri + "sandbox-id": "victim"}, Single, "", "contradict"},
		"two roles": {map[string]string{
			crio + "ContainerType": "sandbox", crio + "SandboxID": "p", cri + "container-type": "container", cri + "sandbox-id": "p"}, Single, "", "contradict"},
		"two roles, the other way": {map[string]string{
			crio + "ContainerType": "container", crio + "SandboxID": "p", cri + "container-type": "sandbox", cri + "sandbox-id": "p"}, Single, "", "contradict"},
	} {
		role, sandbox, err := RoleOf(&specs.Spec{Annotations: c.annotations})
		if role != c.role || sandbox != c.sandbox || (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %d, %q, %v", name, role, sandbox, err)
		}
	}
}
