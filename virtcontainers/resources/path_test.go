package resources

import "testing"

func TestContainerPath(t *testing.T) {
	for _, test := range []struct {
		path    string
		systemd bool
		want    string // empty: an error
	}{
		{"", false, "/kata/id"},
		{"/docker/abc", false, "/docker/abc"},
		{"/a/../../b/", false, "/b"},
		{"a/b", false, "a/b"},
		{"../../a", false, "a"},
		{"/", false, ""},
		{"..", false, ""},
		{"", true, "system.slice:kata:id"},
		{"machine.slice:libpod:abc", true, "machine.slice:libpod:abc"},
		{":cri:abc", true, ":cri:abc"},
		{"/docker/abc", true, ""},
		{"a:b:c", true, ""},
		{"a.slice:b:", true, ""},
		{"a.slice:b", true, ""},
		{"a.slice:b:../c", true, ""},
	} {
		got, err := ContainerPath(test.path, "id", test.systemd)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%q, systemd %v: %q, %v", test.path, test.systemd, got, err)
		}
	}
}

func TestSandboxPath(t *testing.T) {
	for _, test := range []struct {
		container          string
		systemd, only, pod bool
		want               string
	}{
		{"/docker/abc", false, false, false, ""},
		{"/docker/abc", false, true, false, "/docker/kata_s"},
		{"/abc", false, true, false, "/kata_s"},
		{"/kubepods/pod1/abc", false, true, true, "/kubepods/pod1/kata_s"},
		{"/kubepods/pod1/abc", false, false, true, "/kata_overhead/s"},
		{"a.slice:docker:abc", true, false, false, ""},
		{"a.slice:docker:abc", true, true, true, "a.slice:kata_sandbox:s"},
		{":docker:abc", true, true, false, "system.slice:kata_sandbox:s"},
		{"a.slice:docker:abc", true, false, true, "system.slice:kata_overhead:s"},
	} {
		got, err := Config{SandboxCgroupOnly: test.only}.sandboxPath(test.container, "s", test.systemd, test.pod)
		if err != nil || got != test.want {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
}

// A sandbox's first container has its id, and may have no cgroupsPath.
func TestSandboxHasAPathOfItsOwn(t *testing.T) {
	for _, systemd := range []bool{false, true} {
		for _, only := range []bool{false, true} {
			container, err := ContainerPath("", "id", systemd)
			if err != nil {
				t.Fatal(err)
			}
			sandbox, err := Config{SandboxCgroupOnly: only}.sandboxPath(container, "id", systemd, true)
			if err != nil || sandbox == container {
				t.Errorf("systemd %v, only %v: both are %q, %v", systemd, only, sandbox, err)
			}
		}
	}
}
