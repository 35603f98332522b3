package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
)

func TestSizingKeepsToTheHost(t *testing.T) {
	host, err := resources.Host()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config hypervisor.Config
		want   resources.Defaults
	}{
		"nothing said": {hypervisor.Config{DefaultMemory: 256}, resources.Defaults{VCPUs: 1, MaxVCPUs: host.VCPUs, MemoryMiB: 256, MaxMemoryMiB: host.MemoryMiB}},
		"all of it":    {hypervisor.Config{DefaultMemory: 256, DefaultVCPUs: -1}, resources.Defaults{VCPUs: host.VCPUs, MaxVCPUs: host.VCPUs, MemoryMiB: 256, MaxMemoryMiB: host.MemoryMiB}},
		"less":         {hypervisor.Config{DefaultMemory: 256, DefaultMaxVCPUs: 1, DefaultMaxMemory: 300}, resources.Defaults{VCPUs: 1, MaxVCPUs: 1, MemoryMiB: 256, MaxMemoryMiB: 300}},
		"more":         {hypervisor.Config{DefaultMemory: 256, DefaultVCPUs: 1000, DefaultMaxVCPUs: 1000, DefaultMaxMemory: 1 << 40}, resources.Defaults{VCPUs: host.VCPUs, MaxVCPUs: host.VCPUs, MemoryMiB: 256, MaxMemoryMiB: host.MemoryMiB}},
	} {
		s := Settings{Hypervisor: &test.config, Cgroups: &resources.Config{}}
		if got, err := s.sizing(); err != nil || got.Defaults != test.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestBootSize(t *testing.T) {
	limit := int64(1 << 30)
	spec := &specs.Spec{
		Linux:       &specs.Linux{Resources: &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}},
		Annotations: map[string]string{"io.kubernetes.cri.sandbox-memory": "268435456"},
	}
	s := Sizing{Defaults: resources.Defaults{VCPUs: 1, MaxVCPUs: 2, MemoryMiB: 256, MaxMemoryMiB: 4096}}
	for role, want := range map[oci.Role]uint64{oci.Single: 1171, oci.Infra: 391} {
		if size, err := s.bootSize(spec, role, 0); err != nil || size.MemoryMiB != want {
			t.Errorf("role %d: %+v, %v", role, size, err)
		}
	}
}

func TestSizeOfAState(t *testing.T) {
	st := &State{
		Sizing: Sizing{Defaults: resources.Defaults{VCPUs: 1, MaxVCPUs: 2, MemoryMiB: 256, MaxMemoryMiB: 1024}},
		Containers: map[string]*Container{
			"pod": {ID: "pod", Infra: true}, "a": {ID: "a", Limits: resources.Limits{Memory: 256 << 20}},
		},
	}
	was, err := st.size()
	if err != nil || was.MemoryMiB != 391 {
		t.Errorf("%+v, %v", was, err)
	}
	for limit, fits := range map[int64]bool{600 << 20: true, 2 << 30: false} {
		st.Containers["a"].Limits.Memory = limit
		size, err := st.size()
		if err != nil {
			t.Fatal(err)
		}
		if err := st.within(size, was); (err == nil) != fits || err != nil && !errors.Is(err, ErrNoResources) {
			t.Errorf("limit %d: %v", limit, err)
		}
		// What is beyond already may stay there.
		if err := st.within(size, size); err != nil {
			t.Errorf("limit %d again: %v", limit, err)
		}
	}
}

// For a container that joins, CPUs are plugged also where memory has no room.
func TestGrowInTurn(t *testing.T) {
	noRoom := fmt.Errorf("%w for memory", hypervisor.ErrNoRoom)
	noCPUs := fmt.Errorf("CPUs: %w", hypervisor.ErrNoHotplug)
	broken := errors.New("QEMU is gone")
	for _, test := range []struct {
		most         bool
		memory, cpus error
		want         []error
		runs         int
	}{
		{true, noRoom, nil, []error{noRoom}, 2},
		{true, noRoom, noCPUs, []error{noRoom, noCPUs}, 2},
		{true, noRoom, broken, []error{broken}, 2},
		{true, broken, nil, []error{broken}, 1},
		{false, noRoom, nil, []error{noRoom}, 1},
		{false, nil, noCPUs, []error{noCPUs}, 2},
	} {
		runs := 0
		step := func(err error) func() error { return func() error { runs++; return err } }
		err := inTurn(test.most, step(test.memory), step(test.cpus))
		if runs != test.runs || cannotGrow(err) == slices.Contains(test.want, broken) {
			t.Errorf("%+v: %d steps, %v", test, runs, err)
		}
		for _, want := range test.want {
			if !errors.Is(err, want) {
				t.Errorf("%+v: %v", test, err)
			}
		}
	}
}
