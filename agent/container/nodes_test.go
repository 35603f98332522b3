package container

import (
	"errors"
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func withUser() *specs.Spec {
	spec := plain()
	group, mode := uint32(6), os.FileMode(0o640)
	spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.UserNamespace}}
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 10}}
	spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 5}, {ContainerID: 5, HostID: 300000, Size: 5}}
	spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3},
		{Path: "/dev/disk", Type: "b", Major: 254, Minor: 16, GID: &group, FileMode: &mode},
		{Path: "/dev/zero", Type: "c", Major: 1, Minor: 8},
	}
	return spec
}

func TestBindNodes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("device nodes need root")
	}
	spec := withUser()
	dir, err := bindNodes(t.TempDir(), spec)
	if errors.Is(err, unix.EPERM) {
		t.Skip("no device nodes here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// What the guest has itself is left to libcontainer.
	if len(spec.Linux.Devices) != 1 || spec.Linux.Devices[0].Path != "/dev/null" {
		t.Errorf("devices left: %+v", spec.Linux.Devices)
	}
	if len(spec.Mounts) != 2 || spec.Mounts[0].Destination != "/dev/disk" || spec.Mounts[1].Destination != "/dev/zero" {
		t.Fatalf("mounts %+v", spec.Mounts)
	}
	var st unix.Stat_t
	if err := unix.Stat(spec.Mounts[0].Source, &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode != unix.S_IFBLK|0o640 || unix.Major(uint64(st.Rdev)) != 254 || unix.Minor(uint64(st.Rdev)) != 16 || st.Uid != 100000 || st.Gid != 300001 {
		t.Errorf("node %+v", st)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

func TestBindNodesOnlyWhereNeeded(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"no user namespace": func(s *specs.Spec) { s.Linux.Namespaces = nil },
		"the guest's /dev":  func(s *specs.Spec) { s.Mounts = []specs.Mount{{Destination: "/dev/", Type: "bind", Source: "/dev"}} },
		"no device":         func(s *specs.Spec) { s.Linux.Devices = nil },
	} {
		root, spec := t.TempDir(), withUser()
		change(spec)
		devices := len(spec.Linux.Devices)
		if dir, err := bindNodes(root, spec); dir != "" || err != nil || len(spec.Linux.Devices) != devices {
			t.Errorf("%s: %q, %v, %+v", name, dir, err, spec.Linux.Devices)
		}
	}
	// A mistake leaves nothing.
	root, spec := t.TempDir(), withUser()
	spec.Linux.Devices[1].Type = "x"
	if _, err := bindNodes(root, spec); !errors.Is(err, ErrInvalid) {
		t.Errorf("a type that is none: %v", err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
