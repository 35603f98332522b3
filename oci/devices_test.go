package oci

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDisks(t *testing.T) {
	n := func(n int64) *int64 { return &n }
	devices := []specs.LinuxDevice{
		{Path: "/dev/disk", Type: "b", Major: 7, Minor: 1},
		{Path: "/dev/other", Type: "b", Major: 8, Minor: 0},
		{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229},
	}
	rule := func(access string) specs.LinuxDeviceCgroup {
		return specs.LinuxDeviceCgroup{Allow: true, Type: "b", Major: n(7), Minor: n(1), Access: access}
	}
	all := specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"}
	for name, c := range map[string]struct {
		rules []specs.LinuxDeviceCgroup
		want  []Disk
		paths []string
	}{
		"named":      {[]specs.LinuxDeviceCgroup{{Access: "rwm"}, rule("rwm")}, []Disk{{"/dev/disk", 7, 1, false}}, []string{"/dev/disk", "/dev/other", "/dev/fuse"}},
		"read-only":  {[]specs.LinuxDeviceCgroup{rule("rm")}, []Disk{{"/dev/disk", 7, 1, true}}, []string{"/dev/disk", "/dev/other", "/dev/fuse"}},
		"privileged": {[]specs.LinuxDeviceCgroup{all}, nil, []string{"/dev/fuse"}},
		"all disks":  {[]specs.LinuxDeviceCgroup{{Allow: true, Type: "b", Major: n(-1), Minor: n(-1), Access: "r"}}, nil, []string{"/dev/fuse"}},
		"a major":    {[]specs.LinuxDeviceCgroup{{Allow: true, Type: "b", Major: n(8), Access: "w"}}, nil, []string{"/dev/disk", "/dev/fuse"}},
		"no access":  {[]specs.LinuxDeviceCgroup{{Allow: true, Type: "a", Access: "m"}}, nil, []string{"/dev/disk", "/dev/other", "/dev/fuse"}},
		"others":     {[]specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Access: "rwm"}}, nil, []string{"/dev/disk", "/dev/other", "/dev/fuse"}},
		"denied":     {[]specs.LinuxDeviceCgroup{{Access: "rwm"}}, nil, []string{"/dev/disk", "/dev/other", "/dev/fuse"}},
		"no rules":   {nil, nil, []string{"/dev/disk", "/dev/other", "/dev/fuse"}},
	} {
		spec, err := ParseSpec([]byte(minimal))
		if err != nil {
			t.Fatal(err)
		}
		spec.Linux.Devices = slices.Clone(devices)
		spec.Linux.Resources = &specs.LinuxResources{Devices: c.rules}
		if got := Disks(spec); !slices.Equal(got, c.want) {
			t.Errorf("%s: disks %+v, want %+v", name, got, c.want)
		}
		document, err := GuestSpec(spec, GuestPlan{Root: "/r"})
		if err != nil {
			t.Fatal(err)
		}
		var guest specs.Spec
		if err := json.Unmarshal(document, &guest); err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, d := range guest.Linux.Devices {
			paths = append(paths, d.Path)
		}
		if !slices.Equal(paths, c.paths) {
			t.Errorf("%s: the guest gets %q, want %q", name, paths, c.paths)
		}
		if len(spec.Linux.Devices) != len(devices) {
			t.Errorf("%s: the spec given was changed", name)
		}
	}
}
