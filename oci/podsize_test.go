package oci

import (
	"fmt"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestPodResources(t *testing.T) {
	for name, test := range map[string]struct {
		annotations map[string]string
		want        string
		fails       bool
	}{
		"none":       {nil, "none", false},
		"containerd": {map[string]string{podCPUPeriod: "100000", podCPUQuota: "150000", podMemory: "1048576"}, "100000 150000 1048576", false},
		"containerd without limits": {
			map[string]string{podCPUPeriod: "100000", podCPUQuota: "0", podMemory: "0", "io.kubernetes.cri.sandbox-cpu-shares": "2"}, "none", false},
		"memory alone":          {map[string]string{podMemory: "5"}, "0 0 5", false},
		"CRI-O":                 {map[string]string{podResources: `{"cpu_period":100000,"cpu_quota":5,"cpu_shares":2,"memory_limit_in_bytes":7}`}, "100000 5 7", false},
		"CRI-O without limits":  {map[string]string{podResources: "null"}, "none", false},
		"no number":             {map[string]string{podMemory: "1Gi"}, "", true},
		"no JSON":               {map[string]string{podResources: "{"}, "", true},
		"a negative period":     {map[string]string{podCPUPeriod: "-1", podCPUQuota: "1"}, "", true},
		"a number that is huge": {map[string]string{podMemory: "99999999999999999999"}, "", true},
	} {
		r, err := PodResources(&specs.Spec{Annotations: test.annotations})
		got := "none"
		if r != nil {
			got = fmt.Sprintf("%d %d %d", *r.CPU.Period, *r.CPU.Quota, *r.Memory.Limit)
		}
		if (err != nil) != test.fails || err == nil && got != test.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}
