package oci

import (
	"math"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestHugePagesOf(t *testing.T) {
	limits := func(list ...specs.LinuxHugepageLimit) *specs.Spec {
		return &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{HugepageLimits: list}}}
	}
	got, err := HugePagesOf(limits(specs.LinuxHugepageLimit{Pagesize: "1GB"}, specs.LinuxHugepageLimit{Pagesize: "2MB", Limit: 4 << 20},
		specs.LinuxHugepageLimit{Pagesize: "64KB", Limit: math.MaxUint64}))
	if want := []HugePages{{2 << 20, 4 << 20}, {64 << 10, maxHugePages}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, size := range []string{"", "MB", "2", "2M", "0MB", "-1KB", "2TB", "99999999999GB"} {
		if got, err := HugePagesOf(limits(specs.LinuxHugepageLimit{Pagesize: size, Limit: 1})); err == nil {
			t.Errorf("%q: %+v", size, got)
		}
	}
	if got, err := HugePagesOf(&specs.Spec{}); got != nil || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
