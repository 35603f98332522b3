package resources

import (
	"math"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func ptr[T any](v T) *T { return &v }

func TestVMSize(t *testing.T) {
	d := Defaults{VCPUs: 1, MaxVCPUs: 8, MemoryMiB: 512, MaxMemoryMiB: 1 << 20}
	cpu := func(c specs.LinuxCPU) *specs.LinuxResources { return &specs.LinuxResources{CPU: &c} }
	memory := func(limit int64) *specs.LinuxResources {
		return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	}
	for name, test := range map[string]struct {
		r      *specs.LinuxResources
		vcpus  uint32
		memory uint64
		note   string
	}{
		"nil":                   {nil, 1, 512, ""},
		"none":                  {&specs.LinuxResources{}, 1, 512, ""},
		"empty":                 {&specs.LinuxResources{CPU: &specs.LinuxCPU{}, Memory: &specs.LinuxMemory{}}, 1, 512, ""},
		"quota of two":          {cpu(specs.LinuxCPU{Quota: ptr[int64](200000), Period: ptr[uint64](100000)}), 2, 512, ""},
		"quota rounded up":      {cpu(specs.LinuxCPU{Quota: ptr[int64](200001), Period: ptr[uint64](100000)}), 3, 512, ""},
		"a small quota":         {cpu(specs.LinuxCPU{Quota: ptr[int64](1000), Period: ptr[uint64](100000)}), 1, 512, ""},
		"the kernel's period":   {cpu(specs.LinuxCPU{Quota: ptr[int64](150000)}), 2, 512, ""},
		"period zero":           {cpu(specs.LinuxCPU{Quota: ptr[int64](150000), Period: ptr[uint64](0)}), 2, 512, ""},
		"quota without a limit": {cpu(specs.LinuxCPU{Quota: ptr[int64](-1), Period: ptr[uint64](100000)}), 1, 512, ""},
		"a huge quota":          {cpu(specs.LinuxCPU{Quota: ptr[int64](math.MaxInt64), Period: ptr[uint64](1)}), 8, 512, "CPUs are wanted"},
		"a huge period":         {cpu(specs.LinuxCPU{Quota: ptr[int64](math.MaxInt64), Period: ptr[uint64](math.MaxUint64)}), 1, 512, ""},
		"shares alone":          {cpu(specs.LinuxCPU{Shares: ptr[uint64](4096)}), 1, 512, ""},
		"cpuset caps the quota": {cpu(specs.LinuxCPU{Quota: ptr[int64](400000), Period: ptr[uint64](100000), Cpus: "0,2"}), 2, 512, ""},
		"cpuset gives no more":  {cpu(specs.LinuxCPU{Cpus: "0-3"}), 1, 512, ""},
		"no memory limit":       {memory(-1), 1, 512, ""},
		"limit zero":            {memory(0), 1, 512, ""},
		"a limit":               {memory(256 << 20), 1, 391, ""},
		"limit rounded up":      {memory(256<<20 + 1), 1, 392, ""},
		"a small limit":         {memory(4 << 20), 1, 135, ""},
		"a huge limit":          {memory(math.MaxInt64), 1, 1 << 20, "MiB of memory are wanted"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := VMSize(d, Limits{}.With(test.r))
			if err != nil || s.VCPUs != test.vcpus || s.MemoryMiB != test.memory {
				t.Errorf("%+v, %v", s, err)
			}
			if notes := strings.Join(s.Notes, "\n"); (notes == "") != (test.note == "") || !strings.Contains(notes, test.note) {
				t.Errorf("notes %q", notes)
			}
		})
	}
	for _, test := range []struct {
		l      Limits
		memory uint64
	}{
		{Limits{HugePages: 256 << 20}, 391 + 512},
		{Limits{Memory: 128 << 20, HugePages: 128 << 20}, 391},
		{Limits{HugePages: math.MaxUint64}, d.MaxMemoryMiB},
	} {
		if s, err := VMSize(d, test.l); err != nil || s.MemoryMiB != test.memory {
			t.Errorf("%+v: %+v, %v", test.l, s, err)
		}
	}
	// Whatever the limit, the container can have it all.
	for limit := int64(1); limit < 1<<38; limit = limit*3 + 1 {
		s, err := VMSize(d, Limits{}.With(memory(limit)))
		if usable := s.MemoryMiB - s.MemoryMiB/64 - guestBase; err != nil || int64(usable)<<20 < limit {
			t.Errorf("limit %d: %d MiB usable of %d, %v", limit, usable, s.MemoryMiB, err)
		}
	}
}

func TestVMSizeRefuses(t *testing.T) {
	for _, cpus := range []string{"x", "3-1", "1-", ",", "0-99999999999", "-1", "0-70000"} {
		if s, err := VMSize(Defaults{}, Limits{CPUs: cpus}); err == nil {
			t.Errorf("cpuset %q: %+v", cpus, s)
		}
	}
	if s, err := VMSize(Defaults{MaxMemoryMiB: 64}); err == nil {
		t.Errorf("a VM of 64 MiB: %+v", s)
	}
}

func TestVMSizeOfZeroDefaults(t *testing.T) {
	s, err := VMSize(Defaults{})
	if err != nil || s.VCPUs != 1 || s.MemoryMiB != DefaultMemoryMiB {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestVMSizeOfAPod(t *testing.T) {
	d := Defaults{VCPUs: 1, MaxVCPUs: 8, MemoryMiB: 256, MaxMemoryMiB: 4096}
	half := Limits{Quota: 50000, Memory: 100 << 20}
	for name, test := range map[string]struct {
		pod    []Limits
		vcpus  uint32
		memory uint64
	}{
		"nobody yet":               {nil, 1, 256},
		"two without limits":       {[]Limits{{}, {}}, 1, 256},
		"one limited":              {[]Limits{half}, 1, 232},
		"two halves are one CPU":   {[]Limits{half, half}, 1, 334},
		"three halves are two":     {[]Limits{half, half, half}, 2, 435},
		"one without a limit, too": {[]Limits{half, half, {}}, 2, 334 + 256},
		"beyond the bounds":        {[]Limits{{Quota: 900000, Memory: 8 << 30}}, 8, 4096},
		"sums do not overflow":     {[]Limits{{Quota: math.MaxInt64, Memory: math.MaxInt64}, {Quota: math.MaxInt64, Memory: math.MaxInt64}}, 8, 4096},
		"cpusets cap their own":    {[]Limits{{Quota: 400000, CPUs: "0-1"}, {Quota: 100000, CPUs: "5"}}, 3, 256},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := VMSize(d, test.pod...)
			if err != nil || s.VCPUs != test.vcpus || s.MemoryMiB != test.memory {
				t.Errorf("%+v, %v", s, err)
			}
			cut := s.WantedVCPUs > uint64(s.VCPUs) || s.WantedMemoryMiB > s.MemoryMiB
			if cut != (len(s.Notes) > 0) {
				t.Errorf("cut %v, notes %q", cut, s.Notes)
			}
		})
	}
}

func TestLimitsWith(t *testing.T) {
	was := Limits{Quota: 1000, Period: 2000, CPUs: "0", Memory: 3000}
	for name, test := range map[string]struct {
		r    *specs.LinuxResources
		want Limits
	}{
		"nothing":       {nil, was},
		"empty":         {&specs.LinuxResources{CPU: &specs.LinuxCPU{}, Memory: &specs.LinuxMemory{}}, was},
		"zeros":         {&specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: ptr[int64](0), Period: ptr[uint64](0)}, Memory: &specs.LinuxMemory{Limit: ptr[int64](0)}}, was},
		"quota alone":   {&specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: ptr[int64](5)}}, Limits{5, 2000, "0", 3000, 0}},
		"memory alone":  {&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr[int64](7)}}, Limits{1000, 2000, "0", 7, 0}},
		"limits lifted": {&specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: ptr[int64](-1)}, Memory: &specs.LinuxMemory{Limit: ptr[int64](-1)}}, Limits{-1, 2000, "0", -1, 0}},
	} {
		if got := was.With(test.r); got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzCPUCount(f *testing.F) {
	for _, seed := range []string{"0", "0-2,5,8-9", "1,1,0-1", "", "-", "0-", "4294967295"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		if n, err := cpuCount(list); err == nil && (n == 0 || n > maxCPU) {
			t.Errorf("%q has %d CPUs", list, n)
		}
	})
}

func TestCPUCount(t *testing.T) {
	for list, want := range map[string]uint64{"0": 1, "0-2,5,8-9": 6, "1,1,0-1": 2, " 3 , 4 ": 2, "7,": 1} {
		if got, err := cpuCount(list); err != nil || got != want {
			t.Errorf("%q: %d, %v", list, got, err)
		}
	}
}

// Of an update with one half of the CPU quota, the other half is what it was.
func TestCompleteQuota(t *testing.T) {
	was := Limits{Quota: 20000, Period: 50000}
	for name, test := range map[string]struct {
		was    Limits
		cpu    *specs.LinuxCPU
		quota  int64
		period uint64
	}{
		"quota":          {was, &specs.LinuxCPU{Quota: ptr[int64](10000)}, 10000, 50000},
		"period":         {was, &specs.LinuxCPU{Period: ptr[uint64](100000)}, 20000, 100000},
		"both":           {was, &specs.LinuxCPU{Quota: ptr[int64](1000), Period: ptr[uint64](2000)}, 1000, 2000},
		"no limit":       {was, &specs.LinuxCPU{Quota: ptr[int64](-1)}, -1, 50000},
		"zero leaves it": {was, &specs.LinuxCPU{Quota: ptr[int64](0), Period: ptr[uint64](60000)}, 20000, 60000},
		"burst":          {was, &specs.LinuxCPU{Burst: ptr[uint64](1)}, 20000, 50000},
		"no quota yet":   {Limits{}, &specs.LinuxCPU{Period: ptr[uint64](60000)}, 0, 60000},
		"shares":         {was, &specs.LinuxCPU{Shares: ptr[uint64](512)}, 0, 0},
	} {
		r := &specs.LinuxResources{CPU: test.cpu}
		before := *test.cpu
		got := test.was.With(r).Complete(r)
		if quota, period := value(got.CPU.Quota), value(got.CPU.Period); quota != test.quota || period != test.period {
			t.Errorf("%s: %d %d, want %d %d", name, quota, period, test.quota, test.period)
		}
		if got.CPU.Shares != test.cpu.Shares || *test.cpu != before {
			t.Errorf("%s: changed besides: %+v", name, got.CPU)
		}
	}
	for _, r := range []*specs.LinuxResources{nil, {}} {
		if got := was.Complete(r); got != r {
			t.Errorf("of %+v: %+v", r, got)
		}
	}
}
