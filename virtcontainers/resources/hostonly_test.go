package resources

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestHostOnly(t *testing.T) {
	zero, weight, quota := uint16(0), uint16(500), int64(5000)
	for want, r := range map[string]*specs.LinuxResources{
		"":               {CPU: &specs.LinuxCPU{Quota: &quota}, BlockIO: &specs.LinuxBlockIO{Weight: &zero}},
		"cpuset":         {CPU: &specs.LinuxCPU{Mems: "0"}},
		"blockIO":        {BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{{Rate: 1}}}},
		"cpuset blockIO": {CPU: &specs.LinuxCPU{Cpus: "0"}, BlockIO: &specs.LinuxBlockIO{Weight: &weight}},
	} {
		if got := strings.Join(HostOnly(r), " "); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
	if got := HostOnly(nil); got != nil {
		t.Errorf("of no limits: %q", got)
	}
}
