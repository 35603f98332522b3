package oci

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Annotations of a pod's sandbox container in which the engines say what its
// containers may use together, as the kubelet (1.23 and later) has told them:
// containerd one number each (pkg/cri/annotations), CRI-O the CRI's
// LinuxContainerResources as JSON (pkg/annotations).
const (
	podCPUPeriod = "io.kubernetes.cri.sandbox-cpu-period"
	podCPUQuota  = "io.kubernetes.cri.sandbox-cpu-quota"
	podMemory    = "io.kubernetes.cri.sandbox-memory"
	podResources = "io.kubernetes.cri-o.PodLinuxResources"
)

// PodResources answers the limits that the engine announces for a pod as a
// whole; nil if it announces none. The shares need no size: they only weigh.
func PodResources(spec *specs.Spec) (*specs.LinuxResources, error) {
	var period, quota, memory int64
	for key, to := range map[string]*int64{podCPUPeriod: &period, podCPUQuota: &quota, podMemory: &memory} {
		text, ok := spec.Annotations[key]
		if !ok {
			continue
		}
		var err error
		if *to, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, fmt.Errorf("annotation %s: %q is no number", key, text)
		}
	}
	if text := spec.Annotations[podResources]; text != "" {
		var r struct {
			Period int64 `json:"cpu_period"`
			Quota  int64 `json:"cpu_quota"`
			Memory int64 `json:"memory_limit_in_bytes"`
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, fmt.Errorf("annotation %s: %w", podResources, err)
		}
		period, quota, memory = r.Period, r.Quota, r.Memory
	}
	if period < 0 {
		return nil, fmt.Errorf("the pod's CPU period is %d: it cannot be negative", period)
	}
	if quota <= 0 && memory <= 0 {
		return nil, nil
	}
	unsigned := uint64(period)
	return &specs.LinuxResources{
		CPU:    &specs.LinuxCPU{Period: &unsigned, Quota: &quota},
		Memory: &specs.LinuxMemory{Limit: &memory},
	}, nil
}
